import { describe, expect, test } from "vitest";
import { answerChallenge } from "../../../src/storage/atlas/digest-auth.js";

/** RFC 7616, section 3.9.1. */
const mufasa = { username: "Mufasa", password: "Circle of Life" };
const request = { method: "GET", uri: "/dir/index.html", clientNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" };
const challenge = (algorithm: string) =>
  `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;

describe("the answer to a digest challenge", () => {
  test.each([
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ])("is the one of the RFC for %s", (algorithm, response) => {
    const answer = answerChallenge(challenge(algorithm), mufasa, request);
    expect(answer).toContain(`response="${response}"`);
    expect(answer).toContain(`algorithm=${algorithm}`);
    expect(answer).toContain(`opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`);
    expect(answer).not.toContain(mufasa.password);
  });

  test("without qop is RFC 2069's", () => {
    // RFC 2617, section 3.5, computed without qop, nc and cnonce.
    const header = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"';
    const answer = answerChallenge(header, { username: "Mufasa", password: "Circle Of Life" }, request);
    expect(answer).toContain('response="670fd8c2df070c60b045671b8b24ff02"');
    expect(answer).not.toContain("cnonce");
  });

  test.each(["Basic realm=x", "Digest realm=x", challenge("SHA-512-256"), challenge("MD5-sess"), 'Digest realm="a", nonce="b", qop="auth-int"', ""])("is none for %s", (header) => {
    expect(answerChallenge(header, mufasa, request)).toBeUndefined();
  });

  test("escapes what would end a field", () => {
    const answer = answerChallenge(challenge("MD5"), { username: 'a", uri="/other', password: "p" }, request);
    expect(answer).toContain('username="a\\", uri=\\"/other"');
  });
});
