import { useMutation } from "@apollo/client/react";
import { useState, type FormEvent, type ReactNode } from "react";
import { SetBudgetDocument } from "../../generated/operations.ts";
import { Dialog } from "../../ui/dialog.tsx";
import { FaultNotice } from "../../ui/notices.tsx";

/** Dollars of a text field as micro-dollars; undefined for nothing. */
function microUsd(dollars: string): number | undefined {
  return dollars.trim() === "" ? undefined : Math.round(Number(dollars) * 1_000_000);
}

export function BudgetDialog({ onClose, onSet }: { readonly onClose: () => void; readonly onSet: () => void }): ReactNode {
  const [day, setDay] = useState("");
  const [month, setMonth] = useState("");
  const [set, { loading, error }] = useMutation(SetBudgetDocument, { onCompleted: onSet, onError: () => {} });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void set({ variables: { input: { day: microUsd(day), month: microUsd(month) } } });
  };
  return (
    <Dialog title="Set the tenant's budget" onClose={onClose}>
      <form onSubmit={submit}>
        <p className="hint">In US dollars, within what the tier allows. An empty field leaves it to the tier.</p>
        <label>A day <input type="number" min="0" step="0.01" inputMode="decimal" autoFocus value={day} onChange={(event) => setDay(event.target.value)} /></label>
        <label>A month <input type="number" min="0" step="0.01" inputMode="decimal" value={month} onChange={(event) => setMonth(event.target.value)} /></label>
        {error !== undefined && <FaultNotice error={error} />}
        <div className="row row-end">
          <button type="button" className="button" onClick={onClose}>Cancel</button>
          <button type="submit" className="button button-primary" disabled={loading}>Set</button>
        </div>
      </form>
    </Dialog>
  );
}
