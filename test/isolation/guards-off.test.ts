import { afterAll, beforeAll, test } from "vitest";
import { attackTexts } from "../safety/attack-texts.js";
import { GuardsWorld } from "./guards-world.js";

const attacks = Object.values(attackTexts).flat();
let world: GuardsWorld;
beforeAll(async () => {
  world = await GuardsWorld.open(attacks);
});
afterAll(() => world.close());

test("with every guard off no attack brings out anything of another tenant", () => world.attack(attacks), 60_000);
