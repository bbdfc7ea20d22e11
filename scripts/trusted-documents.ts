import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Kind, parse, print, visit, type DocumentNode, type FragmentDefinitionNode, type OperationDefinitionNode } from "graphql";
import { sha256Of } from "../src/gateway/trusted-documents.js";

export const operationsFolder = fileURLToPath(new URL("../schema/operations/", import.meta.url));

export interface NamedOperation {
  readonly name: string;
  readonly kind: OperationDefinitionNode["operation"];
  /** One operation with the fragments it uses, as graphql-js prints it. */
  readonly document: string;
}

/** Every operation of a folder by itself: what a client sends, and what a server trusts. */
export function readOperations(folder = operationsFolder): readonly NamedOperation[] {
  return readdirSync(folder).filter((file) => file.endsWith(".graphql")).toSorted().flatMap((file) => operationsOf(parse(readFileSync(join(folder, file), "utf8"), { noLocation: true })));
}

function operationsOf(document: DocumentNode): NamedOperation[] {
  const fragments = new Map(document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [])));
  return document.definitions.flatMap((node) => {
    if (node.kind !== Kind.OPERATION_DEFINITION || node.name === undefined) return [];
    const used = new Map<string, FragmentDefinitionNode>();
    collect(node, fragments, used);
    return [{ name: node.name.value, kind: node.operation, document: print({ kind: Kind.DOCUMENT, definitions: [node, ...used.values()] }) }];
  });
}

function collect(node: OperationDefinitionNode | FragmentDefinitionNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>, used: Map<string, FragmentDefinitionNode>): void {
  visit(node, {
    FragmentSpread: ({ name }) => {
      const fragment = fragments.get(name.value);
      if (fragment === undefined || used.has(name.value)) return;
      used.set(name.value, fragment);
      collect(fragment, fragments, used);
    },
  });
}

/** `TRUSTED_DOCUMENTS` reads it: each document under its SHA-256. */
export function trustedManifest(operations: readonly NamedOperation[]): string {
  return `${JSON.stringify(Object.fromEntries(operations.map(({ document }) => [sha256Of(document), document])), null, 2)}\n`;
}
