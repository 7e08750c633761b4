/* Ends a type of registers.inc.h, nodes.inc.h and packed.inc.h. */
#undef NAME
#undef ELEMENT
#undef KEY
#undef TABLE_KEY
#undef BELOW
#undef IS_NAN
#undef EITHER_NAN
#undef ORDERED
#undef LINEAR
