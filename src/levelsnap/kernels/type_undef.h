/* Ends a type of registers.inc.h and lines.inc.h. */
#undef NAME
#undef ELEMENT
#undef KEY
#undef BELOW
#undef IS_NAN
