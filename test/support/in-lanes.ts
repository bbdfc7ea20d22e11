/** Runs cases a few at a time, in their order, and gives the name of each that failed with its reason. */
export async function inLanes<Case>(cases: readonly Case[], lanes: number, nameOf: (one: Case) => string, run: (one: Case) => Promise<unknown>): Promise<readonly string[]> {
  const rest = [...cases];
  const failed: string[] = [];
  const lane = async (): Promise<void> => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
      try {
        await run(one);
      } catch (error) {
        const line = `${nameOf(one)}: ${error instanceof Error ? error.message : String(error)}`;
        // At once: a matrix that is cut short has said what it has found.
        process.stdout.write(`failed: ${line}\n`);
        failed.push(line);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return failed;
}
