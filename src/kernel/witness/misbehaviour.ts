// What a log did that no honest log does, on its way to an alert.

import type { Alert } from './alerts.ts'

/** What an outsider would call misbehaviour; thrown, and turned into an alert. */
export class Misbehaviour extends Error {
  readonly kind: Alert['kind']
  readonly size: number | undefined
  readonly evidence: readonly string[]

  constructor(kind: Alert['kind'], detail: string, evidence: readonly string[] = [], size?: number) {
    super(detail)
    this.name = 'Misbehaviour'
    this.kind = kind
    this.size = size
    this.evidence = evidence
  }
}
