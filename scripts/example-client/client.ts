import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { createClient } from "graphql-sse";

export interface ClientOptions {
  /** Of the server, without a path. */
  readonly url: string;
  /** Asked before every request: tokens expire. */
  readonly token: () => string | Promise<string>;
}

export interface ServerError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: { readonly code?: string; readonly retryAfterMs?: number };
}

/** What the server found wrong: at once, or in some field beside others that were answered. `data` holds what it did answer. */
export class RequestFailed extends Error {
  constructor(readonly status: number, readonly errors: readonly ServerError[], readonly data: unknown) {
    super(errors.map(({ message, extensions }) => `${extensions?.code ?? "INTERNAL"}: ${message}`).join("; "));
    this.name = "RequestFailed";
  }
}

/** A small client: any typed document, over HTTP, or over server-sent events for subscriptions. The types are the document's own. */
export class BulkheadClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Throws `RequestFailed`. */
  async request<Data, Variables extends Record<string, unknown>>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    const response = await fetch(`${this.#options.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json;q=0.9", ...(await this.#headers()) },
      // As it was printed for the manifest: a server with trusted documents knows the text by its hash.
      body: JSON.stringify({ query: print(document), variables }),
    });
    const { data, errors } = (await response.json()) as { data?: Data; errors?: ServerError[] };
    if (errors !== undefined || data === undefined) throw new RequestFailed(response.status, errors ?? [], data);
    return data;
  }

  /** The events of a subscription. Leaving the loop ends it on the server. A lost connection throws; call again with the same variables to go on. */
  async *subscribe<Data, Variables extends Record<string, unknown>>(document: TypedDocumentNode<Data, Variables>, variables: Variables): AsyncGenerator<Data> {
    const client = createClient({ url: `${this.#options.url}/graphql`, headers: () => this.#headers(), retryAttempts: 0 });
    try {
      for await (const { data, errors } of client.iterate<Data, never>({ query: print(document), variables })) {
        if (errors !== undefined) throw new RequestFailed(200, errors as unknown as ServerError[], data);
        if (data !== undefined && data !== null) yield data as Data;
      }
    } finally {
      client.dispose();
    }
  }

  async #headers(): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await this.#options.token()}` };
  }
}
