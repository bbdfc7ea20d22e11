type Given<Input> = { readonly [Name in keyof Input]?: Exclude<Input[Name], null | undefined> };

/** What of an input was given: GraphQL lets a caller say null where it may say nothing. */
export function given<Input extends object>(input: Input): Given<Input> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null && value !== undefined)) as Given<Input>;
}
