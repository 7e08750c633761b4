/* Ends a type of registers.inc.h and nodes.inc.h. */
#undef NAME
#undef ELEMENT
#undef KEY
#undef BELOW
#undef IS_NAN
