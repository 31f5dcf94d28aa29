// What the archive records, in words: versions, their copies, and what was found when they were read again.

import { count, type Json, list } from './json.ts'
import { counted } from './numbers.ts'
import type { Pen, Tellers } from './pen.ts'
import { plain, type Told } from './told.ts'

export function archiveWords({ text }: Pen): Tellers {
  const versionOf = ({ scroll, version }: Json) => `version ${text(version)} of the scroll ${text(scroll)}`
  return {
    'archive.version-preserved@1': (data) => plain(`preserved ${versionOf(data)}`),
    'archive.version-retained@1': (data) =>
      plain(`retained ${versionOf(data)} until ${text(data.retainUntil)} (${text(data.mode)})`),
    'archive.retention-bypassed@1': (data) => plain(`cut the retention of ${versionOf(data)} short`),
    'archive.version-held@1': (data) => plain(`put ${versionOf(data)} under legal hold`),
    'archive.version-released@1': (data) => plain(`released ${versionOf(data)} from its legal hold`),
    'archive.version-deleted@1': (data) => plain(`deleted ${versionOf(data)}`),
    'archive.copy-damaged@1': (data) => ({
      what: `found ${versionOf(data)} ${text(data.problem)} in the copy ${text(data.copy)}`,
      tone: 'bad',
      verdict: 'damage',
    }),
    'archive.copy-repaired@1': (data) => ({
      what: `repaired ${versionOf(data)} in the copy ${text(data.copy)}`,
      tone: 'good',
      verdict: 'repaired',
    }),
    'archive.scroll-lost@1': (data) => ({
      what: `found no good copy of ${versionOf(data)} any more`,
      tone: 'bad',
      verdict: 'lost',
    }),
    'archive.scrubbed@1': tellScrub,
  }
}

function tellScrub({ versions, damaged, repaired, lost, unreachable }: Json): Told {
  const what = `checked every copy of ${counted(count(versions), 'archived version')}`
  if (count(damaged) > 0 || count(lost) > 0)
    return {
      what: `${what}: ${count(repaired)} repaired`,
      tone: 'bad',
      verdict: `${count(damaged)} damaged, ${count(lost)} lost`,
    }
  const away = list(unreachable).length
  return away > 0
    ? { what, tone: 'bad', verdict: counted(away, 'copy away', 'copies away') }
    : { what, tone: 'good', verdict: 'whole' }
}
