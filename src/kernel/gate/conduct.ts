// The words for a deed: typed facts that any action may state about what it does, so that one rule can speak about all of them.

import type { FactType } from './types.ts'

interface Word {
  readonly type: FactType
  /** For people who write rules. */
  readonly meaning: string
}

/**
 * In rules: `context.conduct has destructive && context.conduct.destructive`. Every word may be missing: what is not
 * stated is not known, and a rule that needs it says what then holds.
 */
export const CONDUCT: Readonly<Record<string, Word>> = {
  blastRadius: { type: 'integer', meaning: 'how many things it touches at most' },
  changes: {
    type: 'strings',
    meaning:
      'kinds of things that change: code, configuration, credentials, data, log, model, money, network, own-code, policy, privileges, service',
  },
  concerns: {
    type: 'strings',
    meaning: 'what of it no fact can settle, so that a person must: ethics, law, user-interest, welfare',
  },
  content: {
    type: 'strings',
    meaning: 'what is produced or sent: code, mail, message, media, report, decision-about-person',
  },
  cost: { type: 'integer', meaning: 'in the cents of one currency, at most' },
  data: {
    type: 'strings',
    meaning: 'classes of data that are read or carried: public, internal, personal, secret',
  },
  destination: { type: 'string', meaning: 'host name outside of this hub to which something goes' },
  destructive: { type: 'boolean', meaning: 'removes or overwrites what cannot be had again' },
  explanation: { type: 'string', meaning: 'how it came about, in words for whomever it concerns' },
  findings: {
    type: 'strings',
    meaning:
      'what a check of the content found: backdoor, bias, copyright, crypto-mining, harmful, impersonation, malware, obfuscation, phishing, secret, personal',
  },
  isChecked: { type: 'boolean', meaning: 'the content went through the checks that name findings' },
  isDisclosed: { type: 'boolean', meaning: 'whoever receives it is told that a machine made it' },
  isExternal: { type: 'boolean', meaning: 'something leaves for a place outside of this hub' },
  onBehalfOf: { type: 'string', meaning: 'whom it pretends or is said to speak for' },
  purpose: { type: 'string', meaning: 'why, in a sentence of whoever asks' },
  resourceClass: {
    type: 'string',
    meaning: 'what is acted on: development, staging, production, policy, log, identity',
  },
  reversible: { type: 'boolean', meaning: 'what was before can be put back' },
  sources: { type: 'integer', meaning: 'how many sources a claim names' },
}
