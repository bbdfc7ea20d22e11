import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "graphql-ws";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { untilAborted } from "../../src/metering/until-aborted.js";
import { networkOf, WaitingSockets } from "../../src/gateway/waiting-sockets.js";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
const sockets: WebSocket[] = [];
beforeAll(async () => {
  harness = await startHarness();
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.terminate();
});
afterAll(() => harness.gateway.drain());

const url = (): string => `${harness.url.replace("http", "ws")}/graphql`;

async function open(from = "127.0.0.1"): Promise<WebSocket> {
  const socket = new WebSocket(url(), "graphql-transport-ws", { localAddress: from });
  socket.on("error", () => undefined);
  sockets.push(socket);
  await once(socket, "open");
  return socket;
}

/** What a socket that sends its token hears. */
async function acknowledged(socket: WebSocket, token: string): Promise<string> {
  socket.send(JSON.stringify({ type: "connection_init", payload: { token } }));
  return Promise.race([once(socket, "message").then(([data]) => (JSON.parse(String(data)) as { type: string }).type), once(socket, "close").then(([code]) => `closed ${String(code)}`)]);
}

/** Asks, and gives the signal under which it is answered. */
async function asked(): Promise<{ readonly signal: AbortSignal; readonly said: unknown[]; readonly leave: () => void; readonly complete: () => void }> {
  let signal: AbortSignal | undefined;
  harness.services.answer = (_context, deadline) => {
    signal = deadline.signal;
    return untilAborted(new Promise(() => undefined), deadline.signal);
  };
  const client = createClient({ url: url(), webSocketImpl: WebSocket, connectionParams: { token: await harness.member() }, retryAttempts: 0, lazy: true });
  const said: unknown[] = [];
  const complete = client.subscribe({ query: 'mutation { ask(input: { question: "q" }) { __typename } }' }, { next: (event) => said.push(event), error: () => undefined, complete: () => undefined });
  await expect.poll(() => signal).toBeDefined();
  return { signal: signal as unknown as AbortSignal, said, leave: () => client.terminate(), complete };
}

const isOpen = (socket: WebSocket): boolean => socket.readyState === WebSocket.OPEN;

describe("sockets that have not said who they are", () => {
  test("are bounded by address with the oldest dropped, and keep nobody out: not of their own address, and none of another", async () => {
    const token = await harness.member();
    const other = await open("127.0.0.2");
    const silent: WebSocket[] = [];
    for (let at = 0; at < 130; at += 1) silent.push(await open());
    await expect.poll(() => silent.filter((socket) => socket.readyState === WebSocket.CLOSED).length).toBe(30);
    expect(silent.slice(0, 30).every((socket) => socket.readyState === WebSocket.CLOSED)).toBe(true);
    expect(await acknowledged(await open(), token)).toBe("connection_ack");
    expect(await acknowledged(other, token)).toBe("connection_ack");
  });

  test("are bounded together as well, whatever addresses they come from", async () => {
    const token = await harness.member();
    const silent: WebSocket[] = [];
    for (let at = 0; at < 520; at += 1) silent.push(await open(`127.0.1.${at % 10}`));
    await expect.poll(() => silent.filter(isOpen).length).toBeLessThanOrEqual(500);
    expect(await acknowledged(await open("127.0.2.1"), token)).toBe("connection_ack");
  });

  // Without a network: 600 real ones take longer to open, on a machine that is busy, than they may wait.
  test("make room for one more by what the largest of their networks holds, and not by who came first", () => {
    const waiting = new WaitingSockets();
    const dropped: string[] = [];
    const add = (remoteAddress: string): void => waiting.add({ once: () => undefined, terminate: () => void dropped.push(remoteAddress) }, { remoteAddress, on: () => undefined, off: () => undefined });
    add("192.0.2.1");
    add("2001:db8:0:1::1");
    for (let at = 0; at < 600; at += 1) add(`2001:db8:0:${2 + (at % 8)}::${at}`);
    expect(dropped).toHaveLength(102);
    expect(dropped.every((address) => /^2001:db8:0:[2-9]::/u.test(address))).toBe(true);
    for (let at = 0; at < 101; at += 1) add("192.0.2.9");
    expect(dropped).not.toContain("192.0.2.1");
  });

  test.each([
    ["in one message", (socket: WebSocket) => socket.send(JSON.stringify({ type: "connection_init", payload: { filling: "x".repeat(17_000) } }))],
    ["in pieces of a message that does not end", (socket: WebSocket) => [0, 1, 2].forEach(() => socket.send("x".repeat(6_000), { fin: false }))],
  ])("are gone once they have sent more than a token needs, %s", async (_name, send) => {
    const socket = await open("127.0.6.1");
    send(socket);
    expect(await Promise.race([once(socket, "close").then(([code]) => Number(code)), sleep(2_000).then(() => "kept")])).toBe(1_006);
  });

  test("may send the longest token, and as much as any caller once they have said who they are", async () => {
    const socket = await open("127.0.6.2");
    socket.send(JSON.stringify({ type: "connection_init", payload: { token: await harness.member(), filling: "x".repeat(8_192) } }));
    expect(String((await once(socket, "message"))[0])).toContain("connection_ack");
    socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: `{ viewer { user } } #${"x".repeat(100_000)}` } }));
    expect(String((await once(socket, "message"))[0])).toContain('"ann"');
  });

  test.each([
    ["127.0.0.1", "127.0.0.1"], ["::ffff:192.0.2.7", "192.0.2.7"], ["::FFFF:192.0.2.7", "192.0.2.7"], ["::1", "0:0:0:0::/64"], ["", ""],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"], ["2001:db8:1:2::9", "2001:db8:1:2::/64"], ["2001:db8:1:3::9", "2001:db8:1:3::/64"],
    ["2001:db8::5:6:7:8", "2001:db8:0:0::/64"], ["2001:db8::4:5:6:7:8", "2001:db8:0:4::/64"], ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ])("%s counts as %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

test("a socket with a caller is not dropped for those without", async () => {
  const mine = await open();
  expect(await acknowledged(mine, await harness.member())).toBe("connection_ack");
  for (let at = 0; at < 110; at += 1) await open();
  expect(mine.readyState).toBe(WebSocket.OPEN);
});

test("a peer that ignores the close frame loses its socket after two seconds", async () => {
  const { port } = new URL(harness.url);
  const socket: Socket = connect(Number(port), "127.0.0.1");
  socket.write("GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n");
  await once(socket, "data");
  // A masked text frame that is no message: the server closes with 4400, and this peer says nothing to that.
  socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78]));
  socket.on("error", () => undefined);
  expect(await Promise.race([once(socket, "close").then(() => "gone"), sleep(8_000).then(() => "kept")])).toBe("gone");
}, 12_000);

test("a token that has expired opens no operation on a socket that is still closing", async () => {
  const socket = await open();
  const token = await harness.token({}, { expiresIn: 1 });
  expect(await acknowledged(socket, token)).toBe("connection_ack");
  // Does not read the close frame, so that its socket stays half closed.
  socket.pause();
  const asked = harness.services.asked.length;
  await sleep(1_500);
  socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: 'mutation { ask(input: { question: "late" }) { __typename } }' } }));
  socket.resume();
  await once(socket, "close");
  expect(harness.services.asked.length).toBe(asked);
});

describe("a question over WebSocket", () => {
  test("ends when its client's socket closes", async () => {
    const { signal, leave } = await asked();
    leave();
    await expect.poll(() => signal.aborted).toBe(true);
  });

  test("ends when its client completes it and keeps the socket", async () => {
    const { signal, complete } = await asked();
    complete();
    await expect.poll(() => signal.aborted).toBe(true);
  });

  test("ends when its tenant is suspended, and says so", async () => {
    const own = harness;
    harness = await startHarness();
    const { signal, said } = await asked();
    harness.services.suspend("acme");
    await expect.poll(() => signal.aborted).toBe(true);
    await expect.poll(() => JSON.stringify(said)).toContain("TENANT_SUSPENDED");
    await harness.gateway.drain();
    harness = own;
  });
});
