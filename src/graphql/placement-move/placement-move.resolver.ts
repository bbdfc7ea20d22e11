import "reflect-metadata";
import { Arg, Ctx, FieldResolver, Float, ID, Query, Resolver, Root, Subscription } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import { isWellFormedId } from "../../kernel/ids.js";
import type { PlacementMoveRow } from "../../storage/control/control-plane.js";
import type { HomeKind } from "../../tenancy/tier-policy.js";
import { homeEnum } from "../enums.js";
import { asOperator, type RequestContext } from "../request-context.js";
import { PlacementMoveEventType, PlacementMoveType } from "./placement-move.type.js";

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
    const seconds = ((move.finishedAt ?? new Date()).getTime() - move.startedAt.getTime()) / 1_000;
    return move.copied === 0 || seconds <= 0 ? null : Math.round((move.copied / seconds) * 10) / 10;
  }

  @Subscription(() => PlacementMoveEventType, {
    nullable: true,
    name: "placementMove",
    description: "A move's progress, from its present phase until it is `DONE` or `FAILED`. For operators.",
    subscribe: ({ args, context }: { args: { id?: unknown }; context: RequestContext }) => watchMove(args.id, context),
  })
  placementMoveProgress(@Arg("id", () => ID) _id: string, @Root() move: PlacementMoveRow): { placementMove: PlacementMoveRow } {
    return { placementMove: move };
  }
}

async function findMove(id: unknown, context: RequestContext): Promise<PlacementMoveRow> {
  const move = isWellFormedId("move", id) ? await asOperator(context).services.tenants.findMove(id) : undefined;
  if (move === undefined) throw notFound("PlacementMove");
  return move;
}

async function* watchMove(id: unknown, context: RequestContext): AsyncGenerator<PlacementMoveRow> {
  const move = await findMove(id, context);
  yield* asOperator(context).services.tenants.watchMove(move.id, context.deadline.signal);
}
