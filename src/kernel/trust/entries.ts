// The facts of trust.

import { entryType } from '../log/entry.ts'
import { Integer, Timestamp, Type } from '../schema/schema.ts'
import {
  Amounts,
  Family,
  Principal,
  Reason,
  Reference,
  ReportKind,
  Severity,
  Text,
  Thousandths,
  Verdict,
} from './schemas.ts'

/** A report of somebody else, and what of it is counted after weighing whoever reports. */
export const TrustReported = entryType('trust.reported@1', {
  principal: Principal,
  family: Family,
  reporter: Text,
  kind: ReportKind,
  verdict: Verdict,
  strength: Integer,
  counted: Amounts,
  /** What was known of the reporter when it was weighed. */
  reporterEvidence: Amounts,
  /** What this reporter has said of this principal, with this: what counts of it. Absent in entries of the first releases. */
  held: Type.Optional(Amounts),
  /** Of an alert. */
  severity: Type.Optional(Severity),
  reference: Type.Optional(Reference),
  reason: Type.Optional(Reason),
})

/** The hub noticed something that speaks against somebody; another fact of the same commit says what. */
export const TrustAlerted = entryType('trust.alerted@1', {
  principal: Principal,
  family: Family,
  severity: Severity,
  /** The type of the other fact. */
  fact: Text,
  /** Its subject. */
  about: Type.Optional(Text),
})

/** In the place of what evidence says, for a while. */
export const TrustOverridden = entryType('trust.overridden@1', {
  principal: Principal,
  family: Family,
  trust: Thousandths,
  reason: Reason,
  until: Timestamp,
})

export const TrustOverrideLifted = entryType('trust.override-lifted@1', {
  principal: Principal,
  family: Family,
  reason: Reason,
})
