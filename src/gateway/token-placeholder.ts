/**
 * Stands in the headers of Sandbox and of the offline page until a person pastes a token. Both ask for
 * the schema before that; in development that needs no token, and this must not count as a wrong one.
 */
export const tokenPlaceholder = "Bearer <paste a token here>";
