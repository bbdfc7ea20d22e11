/** MongoDB's `DuplicateKey`: a unique index refused the write. */
export const duplicateKey = 11000;
