import { useMutation, useSubscription } from "@apollo/client/react";
import type { ReactNode } from "react";
import { IngestionDocument, RetryIngestionDocument, type DocumentPartsFragment } from "../../generated/operations.ts";
import { StateBadge } from "../../ui/badge.tsx";
import { formatBytes, formatCount, formatMoment, formatWord } from "../../ui/format.ts";
import { FaultNotice } from "../../ui/notices.tsx";
import { TableBox } from "../../ui/table-box.tsx";

interface TableProps {
  readonly documents: readonly DocumentPartsFragment[];
  readonly isAdmin: boolean;
  readonly onDelete: (document: DocumentPartsFragment) => void;
}

export function DocumentTable({ documents, isAdmin, onDelete }: TableProps): ReactNode {
  return (
    <TableBox label="Documents">
      <table className="table table-cards">
        <caption className="visually-hidden">Documents, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Title</th>
            <th scope="col">State</th>
            <th scope="col">Type</th>
            <th scope="col" className="number">Size</th>
            <th scope="col" className="number">Passages</th>
            <th scope="col">Added</th>
            {isAdmin && <th scope="col"><span className="visually-hidden">Actions</span></th>}
          </tr>
        </thead>
        <tbody>
          {documents.map((document) => <DocumentRow key={document.id} document={document} isAdmin={isAdmin} onDelete={onDelete} />)}
        </tbody>
      </table>
    </TableBox>
  );
}

function DocumentRow({ document, isAdmin, onDelete }: { readonly document: DocumentPartsFragment; readonly isAdmin: boolean; readonly onDelete: TableProps["onDelete"] }): ReactNode {
  const [retry, { loading, error }] = useMutation(RetryIngestionDocument, { variables: { input: { documentId: document.id } }, onError: () => {} });
  return (
    <tr>
      <th scope="row" className="cell-wide">
        {document.title}
        {document.tags.map((tag) => <span key={tag} className="tag">{tag}</span>)}
        {document.failure != null && <p className="hint hint-error"><code>{document.failure.code}</code> {document.failure.message}</p>}
        {error !== undefined && <FaultNotice error={error} />}
      </th>
      <td data-label="State">
        <StateBadge state={document.state} />
        {(document.state === "PENDING" || document.state === "INDEXING") && <FollowIngestion documentId={document.id} />}
      </td>
      <td data-label="Type">{document.mediaType === "PDF" || document.mediaType === "HTML" ? document.mediaType : formatWord(document.mediaType)}</td>
      <td data-label="Size" className="number">{formatBytes(document.bytes)}</td>
      <td data-label="Passages" className="number">{formatCount(document.chunkCount)}</td>
      <td data-label="Added">{formatMoment(document.createdAt)}</td>
      {isAdmin && (
        <td className="cell-actions">
          {document.state === "FAILED" && <button type="button" className="button button-small" disabled={loading} onClick={() => void retry()}>Retry</button>}
          <button type="button" className="button button-small" aria-label={`Delete ${document.title}`} onClick={() => onDelete(document)}>Delete</button>
        </td>
      )}
    </tr>
  );
}

/** Draws nothing: each event carries the document, which the cache knows by its id, so the row is drawn anew. */
function FollowIngestion({ documentId }: { readonly documentId: string }): ReactNode {
  const { error } = useSubscription(IngestionDocument, { variables: { documentId } });
  return error === undefined ? null : <span className="hint">not live</span>;
}
