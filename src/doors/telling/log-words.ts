// What is recorded about the log itself, in words: its keys, what it keeps, who watches it, and what speaks against it.

import type { Pen, Tellers } from './pen.ts'
import { plain } from './told.ts'

export const logWords = ({ text, sentenceOf }: Pen): Tellers => ({
  'log.opened@1': ({ origin, predecessor }) =>
    plain(`opened the log ${text(origin)}${predecessor === undefined ? '' : ', which goes on from another'}`),
  'log.key-rotated@1': ({ reason }) =>
    reason === 'compromised'
      ? { what: 'handed the log over to a new key, because the old one was stolen', tone: 'bad' }
      : plain('handed the log over to a new key'),
  'log.key-retired@1': () => plain('retired the old key of the log'),
  'log.cosigner-named@1': () => plain('named a further key of the log for retained checkpoints'),
  'log.retention-set@1': ({ days }) => plain(`set that entries stay ${text(days)} days`),
  'log.hold-placed@1': ({ name, reason }) => plain(`placed the hold ${text(name)} (${text(reason)})`),
  'log.hold-released@1': ({ name, reason }) => plain(`released the hold ${text(name)} (${text(reason)})`),
  'log.pruned@1': ({ minimumIndex }) => plain(`pruned the log below entry ${text(minimumIndex)}`),
  'log.alert-raised@1': ({ kind, log, witness, detail }) => ({
    what: alertWords(text(kind), text(log), text(witness)),
    tone: 'bad',
    verdict: 'alert',
    ...sentenceOf(detail),
  }),
  'compliance.report-published@1': ({ from, to, scroll, version }) =>
    plain(
      `published the compliance report of ${text(from)} to ${text(to)} as ${text(scroll)} version ${text(version)}`,
    ),
  'vault.subject-erased@1': ({ subject }) => plain(`erased the private data of ${text(subject)}`),
  'witness.log-admitted@1': ({ origin }) => plain(`admitted the log ${text(origin)} for cosigning`),
  'witness.log-dismissed@1': ({ origin }) => plain(`dismissed the log ${text(origin)} from cosigning`),
  'witness.policy-set@1': () => plain('set who must cosign the log'),
  'monitor.log-followed@1': ({ origin, url }) =>
    plain(`started to follow the log ${text(origin)} at ${text(url)}`),
  'monitor.log-unfollowed@1': ({ url }) => plain(`stopped following the log at ${text(url)}`),
})

/** An alert of a later release is told by its kind. */
function alertWords(kind: string, log: string, witness: string): string {
  switch (kind) {
    case 'fork':
      return `found a fork of the log ${log}`
    case 'rollback':
      return `found the log ${log} rolled back`
    case 'gap':
      return `found a gap in the log ${log}`
    case 'unknown-signer':
      return `found the log ${log} signed by an unknown key`
    case 'witness-ahead':
      return `found the witness ${witness} ahead of the log ${log}`
    case 'bad-witness':
      return `got an answer from the witness ${witness} of the log ${log} that no honest one gives`
    default:
      return `raised the alert ${kind} about the log ${log}`
  }
}
