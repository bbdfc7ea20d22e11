import { fromBody, fromGraphQL, type Fault, type GraphQLShape } from "./fault.ts";

export interface Uploaded {
  readonly id: string;
  readonly title: string;
}

export type UploadOutcome = { readonly kind: "TAKEN"; readonly document: Uploaded } | { readonly kind: "REFUSED"; readonly fault: Fault };

/** One file to `POST /documents`. By XMLHttpRequest: fetch tells nothing of how much was sent. */
export function uploadDocument(file: File, token: string, onProgress: (share: number) => void, signal: AbortSignal): Promise<UploadOutcome> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const refuse = (fault: Fault): void => resolve({ kind: "REFUSED", fault });
    request.open("POST", "/documents");
    request.setRequestHeader("authorization", `Bearer ${token}`);
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total));
    request.addEventListener("load", () => resolve(read(request)));
    request.addEventListener("error", () => refuse({ code: "NETWORK", message: "The upload broke off. Check that the server is running" }));
    request.addEventListener("abort", () => refuse({ code: "CANCELLED", message: "The upload was cancelled" }));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

function read(request: XMLHttpRequest): UploadOutcome {
  const requestId = request.getResponseHeader("x-request-id") ?? undefined;
  if (request.status !== 200) return { kind: "REFUSED", fault: fromBody(request.responseText, request.status, requestId) };
  const { data, errors } = JSON.parse(request.responseText) as { data: { documents: readonly (Uploaded | null)[] }; errors?: readonly GraphQLShape[] };
  const document = data.documents[0];
  return document ? { kind: "TAKEN", document } : { kind: "REFUSED", fault: fromGraphQL(errors?.[0], requestId) };
}
