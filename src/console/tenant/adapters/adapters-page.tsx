import { useMutation, useQuery } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { AdaptersDocument, DeleteAdapterDocument, type AdaptersQuery } from "../../generated/operations.ts";
import { StateBadge } from "../../ui/badge.tsx";
import { Confirm } from "../../ui/dialog.tsx";
import { formatBytes, formatCount, formatMoment, formatWord } from "../../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../../ui/notices.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pager, usePaging } from "../../ui/pager.tsx";
import { TrainDialog } from "./train-dialog.tsx";
import { TableBox } from "../../ui/table-box.tsx";

type Adapter = NonNullable<AdaptersQuery["adapters"]>["nodes"][number];

/** While something trains its state is asked for; there is no subscription for it. */
const lookAgainMs = 10_000;

export function AdaptersPage(): ReactNode {
  const paging = usePaging();
  const { data, previousData, error, refetch } = useQuery(AdaptersDocument, { variables: { first: 20, after: paging.after }, pollInterval: lookAgainMs });
  const page = (data ?? previousData)?.adapters;
  const [doomed, setDoomed] = useState<Adapter>();
  const [training, setTraining] = useState(false);
  return (
    <>
      <PageHead title="Adapters">
        <button type="button" className="button button-small" onClick={() => setTraining(true)}>Train an adapter</button>
      </PageHead>
      <p className="hint">Models of your tenant's own, trained on its users' feedback and on nothing else.</p>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {page == null && error === undefined && <Skeleton lines={5} label="Loading adapters" />}
      {page != null && page.nodes.length === 0 && <Empty title="No adapters yet"><p>Rate answers under Ask, then train one from what was found good or corrected.</p></Empty>}
      {page != null && page.nodes.length > 0 && (
        <TableBox label="Adapters">
          <table className="table table-cards">
            <caption className="visually-hidden">Adapters, newest first</caption>
            <thead>
              <tr><th scope="col">Name</th><th scope="col">State</th><th scope="col">Made from</th><th scope="col">Origin</th><th scope="col">Since</th><th scope="col"><span className="visually-hidden">Actions</span></th></tr>
            </thead>
            <tbody>
              {page.nodes.map((adapter) => (
                <tr key={adapter.id}>
                  <th scope="row" className="cell-wide">
                    {adapter.name}
                    {adapter.failure != null && <p className="hint hint-error"><code>{adapter.failure.code}</code> {adapter.failure.message}</p>}
                  </th>
                  <td data-label="State"><StateBadge state={adapter.state} /></td>
                  <td data-label="Made from" className="mono">{adapter.baseModel}</td>
                  <td data-label="Origin">{formatWord(adapter.origin)}{adapter.weights == null ? `, ${formatCount(adapter.examples)} examples` : `, ${formatBytes(adapter.weights.bytes)}`}</td>
                  <td data-label="Since">{formatMoment(adapter.updatedAt)}</td>
                  <td className="cell-actions"><button type="button" className="button button-small" aria-label={`Delete ${adapter.name}`} onClick={() => setDoomed(adapter)}>Delete</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
      {page != null && <Pager paging={paging} info={page.pageInfo} />}
      {training && <TrainDialog onClose={() => setTraining(false)} onBegun={() => { setTraining(false); void refetch(); }} />}
      {doomed !== undefined && <DeleteAdapter adapter={doomed} onClose={() => setDoomed(undefined)} onDeleted={() => { setDoomed(undefined); void refetch(); }} />}
    </>
  );
}

function DeleteAdapter({ adapter, onClose, onDeleted }: { readonly adapter: Adapter; readonly onClose: () => void; readonly onDeleted: () => void }): ReactNode {
  const [remove, { loading, error }] = useMutation(DeleteAdapterDocument, { onCompleted: onDeleted, onError: () => {} });
  return (
    <Confirm title="Delete adapter" action="Delete" busy={loading} onClose={onClose} onConfirm={() => void remove({ variables: { input: { adapterId: adapter.id } } })}>
      <p>“{adapter.name}” goes here and at the provider. A training under way is cancelled.</p>
      {error !== undefined && <FaultNotice error={error} />}
    </Confirm>
  );
}
