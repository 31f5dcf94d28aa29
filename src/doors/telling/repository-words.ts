// What is recorded about repositories, in words: analyses, health, attestations, and what became of them.

import { count, type Json, number, record } from './json.ts'
import { counted, tenths } from './numbers.ts'
import type { Pen, Tellers } from './pen.ts'
import { plain, type Told } from './told.ts'

export function repositoryWords(pen: Pen): Tellers {
  const { text } = pen
  return {
    'mirror.repository-analyzed@1': ({ name, health, grade, findings }) => {
      const found = number(findings) === null ? '' : `, ${counted(count(findings), 'finding')}`
      return plain(`analysed ${text(name)}: health ${scoreOf(health)}, grade ${text(grade)}${found}`)
    },
    'mirror.repository-failed@1': ({ name, code }) => ({
      what: `could not analyse ${text(name)} (${text(code)})`,
      tone: 'bad',
      verdict: 'failed',
    }),
    'mirror.repository-forgotten@1': ({ name }) => plain(`had ${text(name)} forgotten`),
    'mirror.health-fell@1': ({ name, health, threshold }) => ({
      what: `found the health of ${text(name)} below ${text(threshold)} (${scoreOf(health)})`,
      tone: 'bad',
      verdict: 'alert',
    }),
    'mirror.health-recovered@1': ({ name, health }) => ({
      what: `saw the health of ${text(name)} recover to ${scoreOf(health)}`,
      tone: 'good',
      verdict: 'recovered',
    }),
    'mirror.analysis-completed@1': tellAnalysis,
    'attest.statement-signed@1': ({ subjects }) =>
      plain(`signed an attestation over ${counted(count(subjects), 'subject')}`),
    'attest.verified@1': ({ statement, result, checked }) =>
      result === 'passed'
        ? {
            what: `verified ${counted(count(checked), 'subject')} of the attestation ${text(statement)}`,
            tone: 'good',
            verdict: 'passed',
          }
        : {
            what: `found the attestation ${text(statement)} not to hold`,
            tone: 'bad',
            verdict: 'failed',
          },
    'mirror.analysis.completed@1': (data) => tellFlow(data, pen),
  }
}

const scoreOf = (health: unknown): string => {
  const score = number(health)
  return score === null ? 'unknown' : tenths(score)
}

function tellAnalysis({ analyzed, failed }: Json): Told {
  const failures = count(failed)
  const what = `completed an analysis of ${counted(count(analyzed) + failures, 'repository', 'repositories')}`
  return failures > 0 ? { what, tone: 'bad', verdict: `${failures} failed` } : plain(what)
}

/** Nothing lost is routine; a fallback is worth a word, and a loss more than that. */
function tellFlow({ degradationLevel, degradationReason, analysis }: Json, { text, sentenceOf }: Pen): Told {
  const analyzed = count(record(analysis).analyzed)
  const what = `carried the analysis of ${counted(analyzed, 'repository', 'repositories')} to attestation, archive, dashboard and swarm`
  if (degradationLevel === 'none') return plain(what)
  return {
    what,
    tone: 'bad',
    verdict: `degraded: ${text(degradationLevel)}`,
    ...sentenceOf(degradationReason),
  }
}
