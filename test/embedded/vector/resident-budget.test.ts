import { expect, it } from "vitest";
import { residentBytesDefault } from "../../../src/embedded/vector/resident-budget.js";

const gibibyte = 1_024 ** 3;
const unlimited = 2 ** 63;

it.each([
  ["a machine's eighth", 8 * gibibyte, unlimited, gibibyte],
  ["a container's eighth, whatever the machine has", 64 * gibibyte, 4 * gibibyte, gibibyte / 2],
  ["192 MiB on a small machine", gibibyte / 2, unlimited, 192 * 1_024 ** 2],
  ["2 GiB on a large one", 256 * gibibyte, unlimited, 2 * gibibyte],
  ["the machine's eighth where no limit is known", 8 * gibibyte, 0, gibibyte],
])("keeps hot vectors in %s", (_name, machine, allowed, expected) => {
  expect(residentBytesDefault(machine, allowed)).toBe(expected);
});
