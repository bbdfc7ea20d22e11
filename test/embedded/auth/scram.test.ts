import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deriveCredentials } from "../../../src/embedded/auth/scram-credentials.js";
import { ScramConversation } from "../../../src/embedded/auth/scram-conversation.js";
import { bytes, RawConnection, scram, text, type ScramTry } from "./scram-client.js";
import { PASSWORD, ROOT, usersFixture, type UsersFixture } from "./users-fixture.js";

let engine: UsersFixture;

beforeAll(async () => {
  engine = await usersFixture();
  await engine.createUser("shop", "ann", ["read"]);
  await engine.createUser("shop", "o=m,ma", ["read"]);
});
afterAll(() => engine.stop());

const ann: ScramTry = { user: "ann", password: PASSWORD, db: "shop" };
const FAILED = { ok: 0, code: 18, codeName: "AuthenticationFailed", errmsg: "Authentication failed." };

async function withConnection<T>(work: (connection: RawConnection) => Promise<T>): Promise<T> {
  const connection = await RawConnection.open(engine.uri);
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

/** Tried on a connection of its own; afterwards that connection is nobody, or the user. */
async function attempt(given: Partial<ScramTry>): Promise<{ reply: object; isIn: boolean }> {
  return withConnection(async (connection) => {
    const { sent: _sent, ...reply } = await scram(connection, { ...ann, ...given });
    const found = await connection.command({ find: "things", $db: "shop" });
    return { reply, isIn: found["ok"] === 1 };
  });
}

const flip = (message: string): string => message.replace(/p=(.)/, (_, first: string) => `p=${first === "A" ? "B" : "A"}`);

/** What two connections are told of a user: salt and iterations. */
async function salts(user: string): Promise<string[]> {
  const start = { saslStart: 1, mechanism: "SCRAM-SHA-256", payload: bytes(`n,,n=${user},r=abc`), $db: "shop" };
  const first = await withConnection((connection) => connection.command(start));
  const second = await withConnection((connection) => connection.command(start));
  return [first, second].map(({ payload }) => text(payload).replace(/^r=[^,]*,/, ""));
}

describe("SCRAM-SHA-256", () => {
  it("computes what RFC 7677 section 3 computes", async () => {
    const credentials = await deriveCredentials("pencil", Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"), 4_096);
    const user = { salt: credentials.salt, iterations: 4_096, known: true, credentials: Promise.resolve(credentials) };
    const conversation = new ScramConversation("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", () => user, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    expect(conversation.serverFirst).toBe("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    const final = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    expect(await conversation.finish(final)).toBe("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  });

  it("lets the right password in, and proves itself to the client", async () => {
    expect(await attempt({})).toMatchObject({ reply: { ok: 1, done: true, verified: true }, isIn: true });
    expect(await attempt({ header: "y,," })).toMatchObject({ reply: { ok: 1, verified: true }, isIn: true });
    expect(await attempt({ header: "n,a=ann," })).toMatchObject({ reply: { ok: 1 }, isIn: true });
    expect(await attempt({ user: "o=3Dm=2Cma" })).toMatchObject({ reply: { ok: 1 }, isIn: true });
  });

  it("answers everything that is wrong alike, and lets nobody in", async () => {
    const wrong: Partial<ScramTry>[] = [
      { password: "wrong" },
      { user: "nobody" },
      { db: "other" },
      { user: "ann=" },
      { nonce: "" },
      { final: flip },
      { final: (honest) => honest.replace(/,p=.*/, "") },
      { final: (honest) => honest.replace(/p=.*/, "p=") },
      { final: (honest) => honest.replace(/p=.*/, `p=${Buffer.alloc(31).toString("base64")}`) },
      { final: (honest) => honest.replace(",r=", ",r=x") },
      { final: (honest) => honest.replace(/(,r=[^,]*).,p=/, "$1,p=") },
      { final: (honest) => honest.replace("c=biws", "c=eSws") },
      { final: (honest) => `${honest},m=ext` },
      { final: () => "" },
      // Proved correctly, for another nonce and for another header than the conversation's.
      { signed: (honest) => honest.replace(",r=", ",r=x") },
      { signed: (honest) => honest.replace(/(,r=.*).$/, "$1") },
      { signed: (honest) => honest.replace("c=biws", "c=eSws") },
      // Channel binding, another's identity and a mandatory extension are not served.
      { header: "p=tls-unique,," },
      { header: "n,a=root," },
      { header: "n,,m=ext," },
      { header: "" },
    ];
    for (const given of wrong) {
      const { reply, isIn } = await attempt(given);
      expect({ given, reply, isIn }).toMatchObject({ given, reply: FAILED, isIn: false });
    }
    expect(engine.events.filter((event) => event.includes("Authentication failed")).length).toBeGreaterThanOrEqual(wrong.length);
    expect(engine.events.join()).not.toMatch(/nobody|wrong/);
  });

  it("cannot be replayed: the same client nonce and proof fit no other conversation", async () => {
    const nonce = "theSameNonceAgain";
    const recorded = await withConnection((connection) => scram(connection, { ...ann, nonce }));
    expect(recorded["ok"]).toBe(1);
    expect((await attempt({ nonce, final: () => recorded.sent ?? "" })).reply).toMatchObject(FAILED);
  });

  it("gives a conversation one try, and none without a start", async () => {
    await withConnection(async (connection) => {
      const next = { saslContinue: 1, conversationId: 1, payload: bytes("x"), $db: "shop" };
      expect(await connection.command(next)).toMatchObject({ ok: 0, code: 17 });
      expect(await scram(connection, { ...ann, password: "wrong" })).toMatchObject(FAILED);
      expect(await connection.command(next)).toMatchObject({ ok: 0, code: 17 });
      await connection.command({ saslStart: 1, mechanism: "SCRAM-SHA-256", payload: bytes("n,,n=ann,r=abc"), $db: "shop" });
      expect(await connection.command({ ...next, conversationId: 2 })).toMatchObject({ ok: 0, code: 17 });
      expect(await connection.command(next)).toMatchObject({ ok: 0, code: 17 });
      expect(await scram(connection, ann)).toMatchObject({ ok: 1, done: true });
    });
  });

  it("waits for the empty exchange of a client that does not skip it", async () => {
    await withConnection(async (connection) => {
      expect(await scram(connection, { ...ann, skipEmptyExchange: false })).toMatchObject({ ok: 1, done: false, verified: true });
      expect(await connection.command({ find: "things", $db: "shop" })).toMatchObject({ ok: 0, code: 13 });
      expect(await connection.command({ saslContinue: 1, conversationId: 1, payload: bytes(""), $db: "shop" })).toMatchObject({ ok: 1, done: true });
      expect(await connection.command({ find: "things", $db: "shop" })).toMatchObject({ ok: 1 });
    });
  });

  it("gives a user who does not exist a salt like any other, the same each time, and tells no mechanism apart", async () => {
    for (const user of ["ann", "nobody"]) {
      const [first, second] = await salts(user);
      expect(first).toMatch(/^s=[A-Za-z0-9+/]{38}==,i=15000$/);
      expect(second).toBe(first);
    }
    expect((await salts("nobody"))[0]).not.toBe((await salts("nobody2"))[0]);
    for (const user of ["ann", "nobody"]) {
      const hello = await withConnection((connection) => connection.command({ hello: 1, saslSupportedMechs: `shop.${user}`, $db: "admin" }));
      expect(hello).toMatchObject({ ok: 1, saslSupportedMechs: ["SCRAM-SHA-256"] });
    }
  });

  it("starts on hello, where a failure is silence", async () => {
    await withConnection(async (connection) => {
      const speculative = { saslStart: 1, mechanism: "SCRAM-SHA-256", payload: bytes("n,,n=ann,r=abc"), db: "shop" };
      const hello = await connection.command({ hello: 1, speculativeAuthenticate: speculative, $db: "admin" });
      expect(hello["speculativeAuthenticate"]).toMatchObject({ conversationId: 1, done: false });
      const bad = await connection.command({ hello: 1, speculativeAuthenticate: { ...speculative, mechanism: "PLAIN" }, $db: "admin" });
      expect(bad).toMatchObject({ ok: 1 });
      expect(bad["speculativeAuthenticate"]).toBeUndefined();
    });
  });

  it("is all a stranger may talk about: a message longer than a handshake ends his connection before it is read", async () => {
    const long = { ping: 1, comment: "x".repeat(20_000), $db: "admin" };
    expect(await withConnection((connection) => connection.command(long))).toMatchObject({ ok: 0 });
    await withConnection(async (connection) => {
      await connection.command(long);
      await expect(connection.command({ ping: 1, $db: "admin" })).rejects.toThrow("The engine closed the connection");
    });
    await withConnection(async (connection) => {
      await scram(connection, ann);
      expect(await connection.command(long)).toMatchObject({ ok: 1 });
    });
  });

  it("is the only mechanism", async () => {
    for (const mechanism of ["SCRAM-SHA-1", "PLAIN", "MONGODB-X509"]) {
      const reply = await withConnection((connection) => connection.command({ saslStart: 1, mechanism, payload: bytes("n,,n=ann,r=abc"), $db: "shop" }));
      expect(reply).toMatchObject({ ok: 0, code: 334, codeName: "MechanismUnavailable" });
    }
  });

  it("binds a connection to one user until he logs out", async () => {
    await withConnection(async (connection) => {
      expect(await scram(connection, ann)).toMatchObject({ ok: 1 });
      expect(await scram(connection, ann)).toMatchObject({ ok: 1 });
      expect(await scram(connection, { ...ROOT, db: "admin" })).toMatchObject({ ok: 0, code: 5_626_701 });
      expect(await scram(connection, { user: "o=3Dm=2Cma", password: PASSWORD, db: "shop" })).toMatchObject({ ok: 0, code: 5_626_702 });
      expect(await connection.command({ logout: 1, $db: "shop" })).toMatchObject({ ok: 1 });
      expect(await connection.command({ find: "things", $db: "shop" })).toMatchObject({ ok: 0, code: 13 });
      expect(await scram(connection, { ...ROOT, db: "admin" })).toMatchObject({ ok: 1 });
    });
  });
});
