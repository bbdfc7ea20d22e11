/** Characters of Latin script per token of common tokenizers, on prose; other scripts come near one token a character. */
const charsPerToken = 4;

/** A cheap and deterministic estimate, for cutting text into pieces of even size; what is charged is counted by the model. */
export function estimateTokens(text: string): number {
  let wide = 0;
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x24f) wide += 1;
  return Math.ceil((text.length - wide) / charsPerToken) + wide;
}
