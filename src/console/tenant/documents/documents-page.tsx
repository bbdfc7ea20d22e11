import { useMutation, useQuery } from "@apollo/client/react";
import { useDeferredValue, useState, type ReactNode } from "react";
import { DeleteDocumentDocument, DocumentsDocument, type DocumentPartsFragment, type DocumentState } from "../../generated/operations.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { formatWord } from "../../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../../ui/notices.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pager, usePaging } from "../../ui/pager.tsx";
import { DocumentTable } from "./document-table.tsx";
import { UploadZone } from "./upload-zone.tsx";

const states: readonly DocumentState[] = ["READY", "PENDING", "INDEXING", "FAILED"];

export function DocumentsPage({ isAdmin }: { readonly isAdmin: boolean }): ReactNode {
  const paging = usePaging();
  const [text, setText] = useState("");
  const [state, setState] = useState<DocumentState | "">("");
  const titleContains = useDeferredValue(text.trim());
  const isFiltered = titleContains !== "" || state !== "";
  const filter = isFiltered ? { ...(titleContains === "" ? {} : { titleContains }), ...(state === "" ? {} : { states: [state] }) } : undefined;
  const { data, previousData, error, refetch } = useQuery(DocumentsDocument, { variables: { first: 20, after: paging.after, filter } });
  const page = (data ?? previousData)?.documents;
  const [doomed, setDoomed] = useState<DocumentPartsFragment>();

  return (
    <>
      <PageHead title="Documents" />
      {isAdmin && <UploadZone onTaken={() => { paging.reset(); void refetch(); }} />}
      <form className="filters" role="search" aria-label="Documents" onSubmit={(event) => event.preventDefault()}>
        <label>Title contains <input type="search" value={text} onChange={(event) => { setText(event.target.value); paging.reset(); }} /></label>
        <label>
          State{" "}
          <select value={state} onChange={(event) => { setState(states.find((known) => known === event.target.value) ?? ""); paging.reset(); }}>
            <option value="">Any</option>
            {states.map((known) => <option key={known} value={known}>{formatWord(known)}</option>)}
          </select>
        </label>
      </form>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {page == null && error === undefined && <Skeleton lines={8} label="Loading documents" />}
      {page != null && page.nodes.length === 0 && (isFiltered
        ? <Empty title="No document matches"><p>Change the title or the state above.</p></Empty>
        : <Empty title="No documents yet"><p>{isAdmin ? "Drop files above, or choose them. Answers can quote a document as soon as it is ready." : "An admin of your tenant adds them. Then answers can quote them."}</p></Empty>)}
      {page != null && page.nodes.length > 0 && <DocumentTable documents={page.nodes} isAdmin={isAdmin} onDelete={setDoomed} />}
      {page != null && <Pager paging={paging} info={page.pageInfo} />}
      {doomed !== undefined && <DeleteDocument document={doomed} onClose={() => setDoomed(undefined)} onDeleted={() => { setDoomed(undefined); void refetch(); }} />}
    </>
  );
}

function DeleteDocument({ document, onClose, onDeleted }: { readonly document: DocumentPartsFragment; readonly onClose: () => void; readonly onDeleted: () => void }): ReactNode {
  const [remove, { loading, error }] = useMutation(DeleteDocumentDocument, { onCompleted: onDeleted, onError: () => {} });
  return (
    <Confirm title="Delete document" action="Delete" busy={loading} onClose={onClose} onConfirm={() => void remove({ variables: { input: { documentId: document.id } } })}>
      <p>“{document.title}” goes with its passages, and with every remembered answer that cites it. This cannot be undone.</p>
      {error !== undefined && <FaultNotice error={error} />}
    </Confirm>
  );
}
