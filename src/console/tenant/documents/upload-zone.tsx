import { useEffect, useRef, useState, type DragEvent, type ReactNode } from "react";
import { uploadDocument } from "../../api/upload.ts";
import type { Fault } from "../../api/fault.ts";
import { useSession } from "../../session/session.tsx";
import { formatBytes } from "../../ui/format.ts";
import { Meter } from "../../ui/meter.tsx";
import { FaultBox } from "../../ui/notices.tsx";

interface Upload {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
  readonly state: { readonly kind: "WAITING" } | { readonly kind: "SENDING"; readonly share: number } | { readonly kind: "TAKEN" } | { readonly kind: "REFUSED"; readonly fault: Fault };
}

/** Files by drop or by the picker, one after another: a tenant's uploads share two places on a server. */
export function UploadZone({ onTaken }: { readonly onTaken: () => void }): ReactNode {
  const { token } = useSession();
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const [over, setOver] = useState(false);
  const queue = useRef<{ key: string; file: File }[]>([]);
  const sending = useRef(false);
  const gone = useRef<AbortController>(undefined);
  useEffect(() => {
    const leaving = new AbortController();
    gone.current = leaving;
    return () => leaving.abort();
  }, []);

  const set = (key: string, state: Upload["state"]): void => setUploads((all) => all.map((upload) => (upload.key === key ? { ...upload, state } : upload)));

  const send = async (): Promise<void> => {
    const signal = gone.current?.signal;
    if (sending.current || signal === undefined) return;
    sending.current = true;
    for (let next = queue.current.shift(); next !== undefined && !signal.aborted; next = queue.current.shift()) {
      const { key, file } = next;
      set(key, { kind: "SENDING", share: 0 });
      const outcome = await uploadDocument(file, token, (share) => set(key, { kind: "SENDING", share }), signal);
      set(key, outcome.kind === "TAKEN" ? { kind: "TAKEN" } : outcome);
      if (outcome.kind === "TAKEN") onTaken();
    }
    sending.current = false;
  };
  const add = (files: FileList | null): void => {
    const added = [...(files ?? [])].map((file) => ({ key: crypto.randomUUID(), file }));
    queue.current.push(...added);
    setUploads((all) => [...all.filter(({ state }) => state.kind !== "TAKEN"), ...added.map(({ key, file }): Upload => ({ key, name: file.name, bytes: file.size, state: { kind: "WAITING" } }))]);
    void send();
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };

  return (
    <section aria-label="Upload">
      <div className={over ? "drop drop-over" : "drop"} onDragOver={(event) => { event.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
        <label className="button drop-button">
          Choose files
          <input type="file" className="visually-hidden" multiple accept=".md,.markdown,.txt,.html,.htm,.pdf" onChange={(event) => { add(event.target.files); event.target.value = ""; }} />
        </label>
        <span className="muted">or drop them here: Markdown, text, HTML, PDF</span>
      </div>
      {uploads.length > 0 && <ul className="uploads">{uploads.map((upload) => <li key={upload.key}><UploadLine upload={upload} /></li>)}</ul>}
    </section>
  );
}

function UploadLine({ upload: { name, bytes, state } }: { readonly upload: Upload }): ReactNode {
  if (state.kind === "REFUSED") return <><span>{name}</span><FaultBox fault={state.fault} /></>;
  const share = state.kind === "SENDING" ? state.share : state.kind === "TAKEN" ? 1 : 0;
  const text = state.kind === "WAITING" ? "waiting" : state.kind === "TAKEN" ? "stored; its progress is in the list" : `${formatBytes(bytes * share)} of ${formatBytes(bytes)}`;
  return <Meter kind="progress" label={name} share={share} text={text} />;
}
