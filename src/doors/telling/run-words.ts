// What is asked of runs, in words.

import type { Pen, Tellers } from './pen.ts'
import { plain } from './told.ts'

export const runWords = ({ text, sentenceOf }: Pen): Tellers => ({
  'run.paused@1': ({ run, reason }) => ({
    what: `paused the run ${text(run)}`,
    tone: 'wait',
    ...sentenceOf(reason),
  }),
  'run.resumed@1': ({ run }) => plain(`let the run ${text(run)} go on`),
  'run.cancelled@1': ({ run, reason }) => ({
    what: `had the run ${text(run)} cancelled`,
    tone: 'bad',
    ...sentenceOf(reason),
  }),
  'run.signalled@1': ({ run, name }) => plain(`sent the signal ${text(name)} to the run ${text(run)}`),
  'run.parked@1': ({ run, reason }) => ({
    what: `parked the run ${text(run)} until somebody has looked`,
    tone: 'wait',
    verdict: 'parked',
    ...sentenceOf(reason),
  }),
  'run.resolved@1': ({ run, step, outcome }) =>
    plain(`found out that step ${text(step)} of the run ${text(run)} is ${text(outcome)}`),
})
