// What the entries of approvals say, in words: who asked, who answered, and what came of it.

import { list, record } from './json.ts'
import type { Pen, Tellers } from './pen.ts'
import { plain } from './told.ts'

const CHOICES = new Map([
  ['approve', 'agreed to'],
  ['deny', 'refused'],
  ['abstain', 'abstained from voting on'],
])

export const approvalWords = ({ text, texts, bare, sentenceOf }: Pen): Tellers => ({
  'approval.requested@1': ({ approval, action, resource, obligations }) => ({
    what: `asks people for ${bare(action)} on ${text(resource)} (approval ${text(approval)})`,
    tone: 'wait',
    verdict: 'waiting',
    sentence: `needs ${texts(obligations, ' and ')}`,
  }),
  'approval.voted@1': ({ approval, vote, delegator, assurance, isSolo, reason }) => ({
    what: `${CHOICES.get(text(vote)) ?? text(vote)} approval ${text(approval)}${delegator === undefined ? '' : ` in the place of ${text(delegator)}`}`,
    tone: vote === 'approve' ? 'good' : vote === 'deny' ? 'bad' : 'plain',
    verdict: isSolo !== true ? text(assurance) : assurance === 'signed' ? 'solo, signed' : 'solo',
    ...sentenceOf(reason),
  }),
  'approval.vote-dropped@1': ({ approval, voter, cause }) =>
    cause === 'revoked'
      ? {
          what: `no longer counts the vote of ${text(voter)} on approval ${text(approval)}, which does not stand any more`,
          tone: 'bad',
          verdict: 'revoked',
        }
      : plain(`took the vote on approval ${text(approval)} back`),
  'approval.granted@1': ({ approval, by }) =>
    by === 'break-glass'
      ? {
          what: `broke the glass for approval ${text(approval)}: somebody has to review it`,
          tone: 'bad',
          verdict: 'break-glass',
        }
      : { what: `completed approval ${text(approval)}`, tone: 'good', verdict: 'approved' },
  'approval.denied@1': ({ approval, rule, by, reason }) => ({
    what: `ended approval ${text(approval)}${by === undefined ? '' : ` by the no of ${text(by)}`}`,
    tone: 'bad',
    verdict: text(rule),
    ...sentenceOf(reason),
  }),
  'approval.expired@1': ({ approval, owed }) => ({
    what: `let approval ${text(approval)} run out, because ${texts(owed, ' and ')} did not come in time`,
    tone: 'bad',
    verdict: 'expired',
  }),
  'approval.withdrawn@1': ({ approval, reason }) => ({
    what: `withdrew approval ${text(approval)}`,
    tone: 'plain',
    ...sentenceOf(reason),
  }),
  'approval.superseded@1': ({ approval }) => ({
    what: `ended approval ${text(approval)}, because other rules are in force`,
    tone: 'bad',
    verdict: 'superseded',
  }),
  'approval.consumed@1': ({ approval, standing }) =>
    standing === undefined
      ? { what: `carried out what approval ${text(approval)} was asked for`, tone: 'good' }
      : plain(`used the standing approval ${text(standing)}`),
  'approval.voided@1': ({ approval, code, message }) => ({
    what: `did not carry out approval ${text(approval)}`,
    tone: 'bad',
    verdict: text(code),
    ...sentenceOf(message),
  }),
  'approval.reminded@1': ({ approval, to }) => plain(`reminded ${text(to)} of approval ${text(approval)}`),
  'approval.escalated@1': ({ approval, to }) => ({
    what: `passed approval ${text(approval)} on to ${text(to)}, because nobody had answered`,
    tone: 'wait',
    verdict: 'escalated',
  }),
  'approval.advised@1': ({ approval, opinion, reason }) => ({
    what: `would ${text(opinion)} approval ${text(approval)}, without a vote`,
    tone: 'plain',
    ...sentenceOf(reason),
  }),
  'approval.glass-broken@1': ({ approval, reason }) => ({
    what: `wants to break the glass for approval ${text(approval)}`,
    tone: 'bad',
    verdict: 'break-glass',
    ...sentenceOf(reason),
  }),
  'approval.reviewed@1': ({ approval, finding, note }) => ({
    what: `found the broken glass of approval ${text(approval)} ${text(finding)}`,
    tone: finding === 'justified' ? 'good' : 'bad',
    ...sentenceOf(note),
  }),
  'approval.delegated@1': ({ role, to, until }) =>
    plain(`lets ${text(to)} speak for him as ${text(role)} until ${text(until)}`),
  'approval.delegation-ended@1': ({ role }) => plain(`speaks for himself again as ${text(role)}`),
  'approval.committee-set@1': ({ committee }) => {
    const { name, members } = record(committee)
    return plain(`set the committee ${text(name)}, in which ${list(members).length} people sit`)
  },
  'approval.escalation-set@1': ({ of }) => plain(`set when ${text(of)} is reminded, and who comes after`),
  'approval.key-registered@1': ({ principal }) =>
    plain(`registered a key with which ${text(principal)} signs votes`),
  'approval.key-removed@1': ({ principal, key }) => ({
    what: `took the key ${text(key)} of ${text(principal)} away`,
    tone: 'bad',
  }),
  'approval.standing-granted@1': ({ action, resource, requester, expiresAt }) =>
    plain(
      `agreed beforehand to ${text(action)} on ${text(resource)} by ${text(requester)} until ${text(expiresAt)}`,
    ),
  'approval.standing-revoked@1': ({ standing, reason }) => ({
    what: `revoked the standing approval ${text(standing)}`,
    tone: 'plain',
    ...sentenceOf(reason),
  }),
})
