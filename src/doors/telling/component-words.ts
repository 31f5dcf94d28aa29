// What is recorded about components and what works on its own, in words: leases, checks, services, procedures, schedules.

import { count, list } from './json.ts'
import { counted } from './numbers.ts'
import type { Pen, Tellers } from './pen.ts'
import { plain } from './told.ts'

export const componentWords = ({ text, bare, sentenceOf }: Pen): Tellers => ({
  'procedures.defined@1': ({ name }) => plain(`put the procedure ${text(name)} in force`),
  'procedures.retired@1': ({ name }) => plain(`retired the procedure ${text(name)}`),
  'schedules.set@1': ({ name, action, cron }) =>
    plain(`put the schedule ${text(name)}: ${bare(action)} at ${text(cron)}`),
  'schedules.removed@1': ({ name }) => plain(`removed the schedule ${text(name)}`),
  'schedules.stopped@1': ({ name, code, message }) => ({
    what: `stopped the schedule ${text(name)}`,
    tone: 'bad',
    verdict: 'stopped',
    sentence: `${text(message)} (${text(code)})`,
  }),
  'schedules.slots-missed@1': (data) => ({
    what: `let ${data.isMore === true ? 'more than ' : ''}${counted(count(data.count), 'time')} of the schedule ${text(data.name)} go`,
    tone: 'bad',
    verdict: 'missed',
  }),
  'counterparts.request-kept@1': ({ service, operation, code }) => ({
    what: `kept ${text(operation)} for ${text(service)}, which did not take it (${text(code)})`,
    tone: 'bad',
    verdict: 'kept',
  }),
  'counterparts.requests-forwarded@1': ({ service, keys }) => ({
    what: `delivered to ${text(service)} what was kept for it: ${counted(list(keys).length, 'request')}`,
    tone: 'good',
  }),
  'counterparts.request-refused@1': ({ service, operation, status }) => ({
    what: `set ${text(operation)} aside, because ${text(service)} does not take it (${text(status)})`,
    tone: 'bad',
    verdict: 'refused',
  }),
  'counterparts.requests-retried@1': ({ service, keys }) =>
    plain(`let ${text(service)} have again what it did not take: ${counted(list(keys).length, 'request')}`),
  'counterparts.requests-dropped@1': ({ service, keys }) =>
    plain(`forgot what ${text(service)} did not take: ${counted(list(keys).length, 'request')}`),
  'components.registered@1': ({ id, version }) =>
    plain(`registered the component ${text(id)} ${text(version)}`),
  'components.deregistered@1': ({ id }) => plain(`took the component ${text(id)} out of the registry`),
  'components.lost@1': ({ id }) => ({
    what: `lost the component ${text(id)}, whose lease ran out`,
    tone: 'bad',
    verdict: 'lost',
  }),
  'components.recovered@1': ({ id }) => ({
    what: `saw the component ${text(id)} come back`,
    tone: 'good',
    verdict: 'recovered',
  }),
  'components.check-failed@1': ({ id, check, note }) => ({
    what: `found the component ${text(id)} failing its check ${text(check)}`,
    tone: 'bad',
    verdict: 'critical',
    ...sentenceOf(note),
  }),
  'components.check-passed@1': ({ id, check }) => ({
    what: `saw the component ${text(id)} pass its check ${text(check)} again`,
    tone: 'good',
    verdict: 'passing',
  }),
  'components.mass-loss@1': ({ count, total }) => ({
    what: `missed ${text(count)} of ${text(total)} components at once, which may be its own fault, and declares nobody lost meanwhile`,
    tone: 'bad',
    verdict: 'holding',
  }),
  'components.mass-loss-ended@1': ({ outcome, overdue }) =>
    outcome === 'renewals'
      ? { what: 'heard from the components again that it had missed at once', tone: 'good' }
      : {
          what: `gave up waiting for ${text(overdue)} components that it missed at once`,
          tone: 'bad',
          verdict: 'confirmed',
        },
  'components.manifests-applied@1': ({ modules }) =>
    plain(`put the manifests of ${counted(list(modules).length, 'module')} in force`),
})
