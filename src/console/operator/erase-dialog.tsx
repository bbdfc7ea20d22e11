import { useMutation } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { EraseTenantDocument } from "../generated/operations.ts";
import { Confirm } from "../ui/dialog.tsx";
import { FaultNotice } from "../ui/notices.tsx";

interface EraseProps {
  readonly id: string;
  readonly name: string;
  readonly onClose: () => void;
  readonly onErased: () => void;
}

/** Asks for the id by hand: a click in the wrong row must not be enough for what nothing brings back. */
export function EraseDialog({ id, name, onClose, onErased }: EraseProps): ReactNode {
  const [typed, setTyped] = useState("");
  const [erase, { loading, error }] = useMutation(EraseTenantDocument, { onCompleted: onErased, onError: () => {} });
  return (
    <Confirm title={`Erase ${name} for good`} action="Erase" busy={loading} ready={typed === id} onClose={onClose} onConfirm={() => void erase({ variables: { input: { tenantId: id } } })}>
      <p>At once nobody of it is served; then every store is emptied and searched again. Nothing brings it back, and its id is never given to another.</p>
      <label><span>Type <code>{id}</code> to go on</span> <input className="mono" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} /></label>
      {error !== undefined && <FaultNotice error={error} />}
    </Confirm>
  );
}
