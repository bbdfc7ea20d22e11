import { useMutation } from "@apollo/client/react";
import { useState, type FormEvent, type ReactNode } from "react";
import { CreateTenantDocument, type Tier } from "../generated/operations.ts";
import { Choice } from "../ui/choice.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { formatWord } from "../ui/format.ts";
import { FaultNotice } from "../ui/notices.tsx";
import { tiers } from "./tiers.ts";

export function CreateTenantDialog({ onClose, onCreated }: { readonly onClose: () => void; readonly onCreated: (id: string) => void }): ReactNode {
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const [tier, setTier] = useState<Tier>("PRO");
  const [create, { loading, error }] = useMutation(CreateTenantDocument, { onCompleted: () => onCreated(id), onError: () => {} });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void create({ variables: { input: { id, name, tier } } });
  };
  return (
    <Dialog title="Add a tenant" onClose={onClose}>
      <form onSubmit={submit}>
        <label>Id <input required className="mono" autoFocus pattern="[a-z0-9][a-z0-9\-]{1,24}[a-z0-9]" title="3 to 26 lower-case letters, digits or inner hyphens" value={id} onChange={(event) => setId(event.target.value)} /></label>
        <p className="hint">3 to 26 lower-case letters, digits or inner hyphens. It cannot be changed.</p>
        <label>Name <input required maxLength={256} value={name} onChange={(event) => setName(event.target.value)} /></label>
        <Choice label="Tier" value={tier} onChange={setTier} options={tiers.map((known) => ({ value: known, label: formatWord(known) }))} />
        {error !== undefined && <FaultNotice error={error} />}
        <div className="row row-end">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-primary" disabled={loading}>Add</button>
        </div>
      </form>
    </Dialog>
  );
}
