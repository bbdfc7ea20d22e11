import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { TenantsDocument } from "../generated/operations.ts";
import { Link } from "../shell/router.tsx";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { isMoving, MoveView } from "./move-view.tsx";

/** A move that begins elsewhere appears within this; its progress is live from then on. */
const lookAgainMs = 10_000;

export function MovesPage(): ReactNode {
  const { data, error, refetch } = useQuery(TenantsDocument, { variables: { first: 100 }, pollInterval: lookAgainMs });
  const moves = (data?.tenants?.nodes ?? []).flatMap(({ id, name, latestMove }) => (latestMove == null ? [] : [{ id, name, move: latestMove }]));
  const sorted = moves.toSorted((one, other) => Number(isMoving(other.move)) - Number(isMoving(one.move)) || other.move.startedAt.localeCompare(one.move.startedAt));
  return (
    <>
      <PageHead title="Moves" />
      <p className="hint">The latest move of each tenant, those under way first.{data?.tenants?.pageInfo.hasNextPage === true && " Of the first 100 tenants; a tenant's own page shows its move always."}</p>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {data === undefined && error === undefined && <Skeleton lines={8} label="Loading moves" />}
      {data !== undefined && sorted.length === 0 && <Empty title="No tenant has moved yet"><p>Change a tenant's tier under <Link to="/tenants">Tenants</Link>: a tier with another home moves it.</p></Empty>}
      {sorted.map(({ id, name, move }) => <MoveView key={move.id} move={move} heading={<Link to={`/tenants/${id}`}>{name}</Link>} onEnded={() => void refetch()} />)}
    </>
  );
}
