import "reflect-metadata";
import { Arg, Ctx, FieldResolver, Float, ID, Mutation, Query, Resolver, Root, Subscription } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import type { PlacementMoveRow } from "../../storage/control/control-plane.js";
import type { HomeKind } from "../../tenancy/tier-policy.js";
import { homeEnum } from "../enums.js";
import { asOperator, type RequestContext } from "../request-context.js";
import { copyRate, secondsLeft } from "./copy-rate.js";
import { PlacementMoveEventType, PlacementMoveInput, PlacementMovePayloadType, PlacementMoveType } from "./placement-move.type.js";

@Resolver(() => PlacementMoveType)
export class PlacementMoveResolver {
  @Query(() => PlacementMoveType, { nullable: true, description: "A move between pool and silo. For operators." })
  placementMove(@Arg("id", () => ID) id: string, @Ctx() context: RequestContext): Promise<PlacementMoveRow> {
    return findMove(id, context);
  }

  @FieldResolver(() => homeEnum)
  from(@Root() move: PlacementMoveRow): HomeKind {
    return move.from.kind;
  }

  @FieldResolver(() => homeEnum)
  to(@Root() move: PlacementMoveRow): HomeKind {
    return move.to.kind;
  }

  @FieldResolver(() => Float, { nullable: true })
  rowsPerSecond(@Root() move: PlacementMoveRow): number | null {
    return copyRate(move, new Date()) ?? null;
  }

  @FieldResolver(() => Float, { nullable: true })
  estimatedSecondsLeft(@Root() move: PlacementMoveRow): number | null {
    return secondsLeft(move, new Date()) ?? null;
  }

  @FieldResolver(() => Float, { nullable: true })
  writePauseMs(@Root() move: PlacementMoveRow): number | null {
    return move.pauseMs ?? null;
  }

  @Mutation(() => PlacementMovePayloadType, { nullable: true, description: "Calls a move back before it switches. The tenant stays where it is until its tier is next changed. `CONFLICT` when it is too late. For operators." })
  async cancelPlacementMove(@Arg("input", () => PlacementMoveInput) input: PlacementMoveInput, @Ctx() context: RequestContext): Promise<{ placementMove: PlacementMoveRow }> {
    return { placementMove: await asOperator(context).services.moves.cancel(input.id) };
  }

  @Mutation(() => PlacementMovePayloadType, { nullable: true, description: "Takes a tenant back while its move is observed, with all it wrote since. The tier stays, and the tenant with it, until the tier is next changed. `CONFLICT` in other phases. For operators." })
  async revertPlacementMove(@Arg("input", () => PlacementMoveInput) input: PlacementMoveInput, @Ctx() context: RequestContext): Promise<{ placementMove: PlacementMoveRow }> {
    return { placementMove: await asOperator(context).services.moves.revert(input.id) };
  }

  @Subscription(() => PlacementMoveEventType, {
    nullable: true,
    name: "placementMove",
    description: "A move's progress, from its present phase until it is `DONE`, `FAILED`, `CANCELLED` or `REVERTED`. For operators.",
    subscribe: ({ args, context }: { args: { id?: unknown }; context: RequestContext }) => watchMove(args.id, context),
  })
  placementMoveProgress(@Arg("id", () => ID) _id: string, @Root() move: PlacementMoveRow): { placementMove: PlacementMoveRow } {
    return { placementMove: move };
  }
}

async function findMove(id: unknown, context: RequestContext): Promise<PlacementMoveRow> {
  const move = await asOperator(context).services.moves.find(id);
  if (move === undefined) throw notFound("PlacementMove");
  return move;
}

async function* watchMove(id: unknown, context: RequestContext): AsyncGenerator<PlacementMoveRow> {
  const move = await findMove(id, context);
  yield* asOperator(context).services.moves.watch(move.id, context.deadline.signal);
}
