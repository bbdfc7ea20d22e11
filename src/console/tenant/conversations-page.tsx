import { useMutation, useQuery } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { ClearConversationDocument, ConversationsDocument } from "../generated/operations.ts";
import { Link } from "../shell/router.tsx";
import { Confirm } from "../ui/dialog.tsx";
import { formatMoment } from "../ui/format.ts";
import { Empty, FaultNotice, Skeleton } from "../ui/notices.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { Pager, usePaging } from "../ui/pager.tsx";
import { TableBox } from "../ui/table-box.tsx";

interface Named {
  readonly id: string;
  readonly title: string;
}

export function ConversationsPage(): ReactNode {
  const paging = usePaging();
  const { data, previousData, error, refetch } = useQuery(ConversationsDocument, { variables: { first: 20, after: paging.after } });
  const page = (data ?? previousData)?.conversations;
  const [doomed, setDoomed] = useState<Named>();
  return (
    <>
      <PageHead title="Conversations" />
      <p className="hint">Yours alone: nobody else of your tenant sees them.</p>
      {error !== undefined && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {page == null && error === undefined && <Skeleton lines={6} label="Loading conversations" />}
      {page != null && page.nodes.length === 0 && <Empty title="No conversations yet"><p><Link to="/chat">Ask a question</Link>: it begins one.</p></Empty>}
      {page != null && page.nodes.length > 0 && (
        <TableBox label="Conversations">
          <table className="table table-cards">
            <caption className="visually-hidden">Conversations, newest first</caption>
            <thead>
              <tr><th scope="col">Title</th><th scope="col">Begun</th><th scope="col">Last turn</th><th scope="col"><span className="visually-hidden">Actions</span></th></tr>
            </thead>
            <tbody>
              {page.nodes.map((conversation) => (
                <tr key={conversation.id}>
                  <th scope="row" className="cell-wide"><Link to={`/chat/${encodeURIComponent(conversation.id)}`}>{conversation.title}</Link></th>
                  <td data-label="Begun">{formatMoment(conversation.createdAt)}</td>
                  <td data-label="Last turn">{formatMoment(conversation.updatedAt)}</td>
                  <td className="cell-actions"><button type="button" className="button button-small" aria-label={`Clear ${conversation.title}`} onClick={() => setDoomed(conversation)}>Clear</button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
      {page != null && <Pager paging={paging} info={page.pageInfo} />}
      {doomed !== undefined && <ClearConversation conversation={doomed} onClose={() => setDoomed(undefined)} onCleared={() => { setDoomed(undefined); void refetch(); }} />}
    </>
  );
}

function ClearConversation({ conversation, onClose, onCleared }: { readonly conversation: Named; readonly onClose: () => void; readonly onCleared: () => void }): ReactNode {
  const [clear, { loading, error }] = useMutation(ClearConversationDocument, { onCompleted: onCleared, onError: () => {} });
  return (
    <Confirm title="Clear conversation" action="Clear" busy={loading} onClose={onClose} onConfirm={() => void clear({ variables: { input: { conversationId: conversation.id } } })}>
      <p>“{conversation.title}” goes with all its turns and feedback. This cannot be undone.</p>
      {error !== undefined && <FaultNotice error={error} />}
    </Confirm>
  );
}
