import { useMutation } from "@apollo/client/react";
import { useState, type FormEvent, type ReactNode } from "react";
import { TrainAdapterDocument } from "../../generated/operations.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { FaultNotice } from "../../ui/notices.tsx";

export function TrainDialog({ onClose, onBegun }: { readonly onClose: () => void; readonly onBegun: () => void }): ReactNode {
  const [name, setName] = useState("");
  const [baseModel, setBaseModel] = useState("");
  const [train, { loading, error }] = useMutation(TrainAdapterDocument, { onCompleted: onBegun, onError: () => {} });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void train({ variables: { input: { name, baseModel } } });
  };
  return (
    <Dialog title="Train an adapter" onClose={onClose}>
      <form onSubmit={submit}>
        <label>Name <input required maxLength={100} autoFocus value={name} onChange={(event) => setName(event.target.value)} /></label>
        <label>Base model <input required className="mono" value={baseModel} placeholder="gpt-4o-mini" onChange={(event) => setBaseModel(event.target.value)} /></label>
        <p className="hint">A model that your tier allows and whose provider trains.</p>
        {error !== undefined && <FaultNotice error={error} />}
        <div className="row row-end">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-primary" disabled={loading}>Train</button>
        </div>
      </form>
    </Dialog>
  );
}
