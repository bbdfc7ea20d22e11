import { expect, test } from "vitest";
import { formOf } from "../../src/memory/question-form.js";

test("a question of thousands of negations before one endless word holds no more than a bound for each of them", () => {
  const negations = 1_500;
  const { marks } = formOf(`is it ${"not ".repeat(negations)}${"x".repeat(2_000)}`);
  expect(marks).toHaveLength(negations);
  // The word of the mark, a space, and at most 40 letters of what it stands before.
  for (const mark of marks) expect(mark.length).toBeLessThanOrEqual("not".length + 1 + 40);
});

test("marks tell what they stand before as far as the bound, so that two different words are two", () => {
  const [one, other] = [formOf("is it not valid"), formOf("is it not void")];
  expect(one.marks).not.toEqual(other.marks);
});
