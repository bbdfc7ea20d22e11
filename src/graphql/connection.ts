/** Relay connections: the classes of a connection for one node type, and the page a caller asked for. */
import "reflect-metadata";
import { ArgsType, Field, Int, ObjectType } from "type-graphql";
import { badUserInput } from "../kernel/errors.js";
import { describe } from "../kernel/ids.js";
import { pageSizeDefault, pageSizeMax, type Page, type PageRequest } from "../kernel/page.js";

/** Ours are under 200 characters; a longer one was not made here. */
const cursorCharsMax = 512;

@ArgsType()
export class PageArgs {
  @Field(() => Int, { nullable: true, description: `How many to return, 1 to ${pageSizeMax}. ${pageSizeDefault} when left out.` })
  first?: number | null;

  @Field(() => String, { nullable: true, description: "The `endCursor` of the page before. Opaque." })
  after?: string | null;
}

/** Throws `BAD_USER_INPUT`. */
export function parsePageRequest(args: PageArgs): PageRequest {
  const first = parseFirst(args.first);
  const after = args.after ?? undefined;
  if (after !== undefined && (after.length === 0 || after.length > cursorCharsMax)) throw badUserInput("after", describe(after), "a cursor of an earlier page");
  return after === undefined ? { first } : { first, after };
}

/** Throws `BAD_USER_INPUT`. */
export function parseFirst(first: number | null | undefined): number {
  if (first === undefined || first === null) return pageSizeDefault;
  if (first < 1 || first > pageSizeMax) throw badUserInput("first", String(first), `1 to ${pageSizeMax}`);
  return first;
}

@ObjectType("PageInfo", { simpleResolvers: true, description: "Where a page lies in its list." })
export class PageInfoType {
  @Field(() => Boolean, { description: "Whether more follow." })
  hasNextPage!: boolean;

  @Field(() => Boolean, { description: "Whether this page was asked for with `after`." })
  hasPreviousPage!: boolean;

  @Field(() => String, { nullable: true, description: "Cursor of the first item; null on an empty page." })
  startCursor!: string | null;

  @Field(() => String, { nullable: true, description: "Give it as `after` to get the next page; null on an empty page." })
  endCursor!: string | null;
}

export interface Connection<Node> {
  readonly edges: readonly { readonly cursor: string; readonly node: Node }[];
  readonly nodes: readonly Node[];
  readonly pageInfo: PageInfoType;
}

type ClassOf<T> = abstract new () => T;

/** Makes `<noun>Edge` and `<noun>Connection` for a node class. Call once a noun: type-graphql keeps types by class. */
export function connectionType<Node extends object>(noun: string, node: () => ClassOf<Node>): ClassOf<Connection<Node>> {
  @ObjectType(`${noun}Edge`, { simpleResolvers: true, description: `One ${noun} in a list.` })
  class Edge {
    @Field(() => String, { description: "Where the item lies in the list. Opaque." })
    cursor!: string;

    @Field(node, { description: "The item." })
    node!: Node;
  }

  @ObjectType(`${noun}Connection`, { simpleResolvers: true, description: `A page of a list of ${noun}s.` })
  class NounConnection {
    @Field(() => [Edge], { description: "The items with their cursors." })
    edges!: Edge[];

    @Field(() => [node()], { description: "The items without cursors, for callers that do not page." })
    nodes!: Node[];

    @Field(() => PageInfoType, { description: "Where this page lies in the list." })
    pageInfo!: PageInfoType;
  }
  return NounConnection;
}

export function toConnection<Node>(page: Page<Node>, request: PageRequest): Connection<Node> {
  return {
    edges: page.items.map(({ item, cursor }) => ({ cursor, node: item })),
    nodes: page.items.map(({ item }) => item),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: request.after !== undefined,
      startCursor: page.items[0]?.cursor ?? null,
      endCursor: page.items.at(-1)?.cursor ?? null,
    },
  };
}
