// Legio-Cognito: the permanent archive of analyses; without it, a scroll in our own.

import { Type, validate } from '../../../kernel/schema/schema.ts'
import { preserve } from '../../archive/contract.ts'
import type { AnalysisDocument } from '../analysis.ts'
import { REFERENCE } from '../answers.ts'
import type { Service } from '../service.ts'

const Answer = Type.Object({ scroll_id: REFERENCE, archive_url: Type.Optional(REFERENCE) })
const SCROLL_TYPE = 'mirror_analysis'
const CATEGORIES = ['analysis', 'security', 'performance']

export const legioCognito: Service = {
  name: 'legio_cognito',
  option: 'legioCognito',
  part: 'archive',
  priority: 'high',
  operation: 'archive',
  path: '/scrolls',
  payload: ({ analysis, at }) => ({
    scroll_type: SCROLL_TYPE,
    timestamp: at,
    content: analysis,
    metadata: metadataOf(analysis),
    preservation_level: 'permanent',
    indexing: { searchable: true, categories: CATEGORIES, tags: tagsOf(analysis) },
  }),
  reference: (answer) => validate(Answer, answer, 'the answer of legio_cognito').scroll_id,
  async fallback(scope, { analysis }) {
    const { scroll } = await scope.invoke(preserve, {
      title: `Mirror Analysis ${analysis.analysis_id}`,
      content: analysis,
      category: 'analysis',
      tags: tagsOf(analysis),
      metadata: metadataOf(analysis),
    })
    return scroll
  },
}

const metadataOf = ({ analysis_id, repositories }: AnalysisDocument) => ({
  system: 'MirrorWatcherAI',
  repositories_count: Object.keys(repositories).length,
  analysis_id,
})

/** From what was found; names of repositories may be anything, and are no tags. */
const tagsOf = ({ summary: { overall_security, failed } }: AnalysisDocument): string[] => [
  SCROLL_TYPE,
  `security_${overall_security}`,
  ...(failed > 0 ? ['incomplete'] : []),
]
