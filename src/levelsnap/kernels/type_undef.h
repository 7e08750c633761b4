/* Ends a type of registers.inc.h and gathers.inc.h. */
#undef NAME
#undef ELEMENT
#undef KEY
#undef BELOW
#undef IS_NAN
#undef KEYS
#undef CELLS
