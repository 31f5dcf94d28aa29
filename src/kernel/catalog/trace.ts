// What belongs together: the trace that a caller names, or the run or invocation that everything came of.

export interface Traced {
  readonly correlationId?: string
  /** W3C Trace Context section 3.2: `00-<trace id>-<parent id>-<flags>`. */
  readonly traceparent?: string
}

const TRACE_ID = /^[0-9a-f]{2}-([0-9a-f]{32})-/

/** A caller's own trace goes before the run: what it asks for inside and outside of the run is one trace. */
export const traceOf = ({ traceparent, correlationId }: Traced): string | undefined =>
  TRACE_ID.exec(traceparent ?? '')?.[1] ?? correlationId
