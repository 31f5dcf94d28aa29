// Faces: what a module shows beside actions and queries, found by a token that stands in its contract.

/** Stands in a contract; `T` is what the module provides under it. */
export interface Face<T> {
  readonly kind: 'face'
  readonly name: string
  /** Binds what is provided to the token; a module answers it among its `faces`. */
  provide(value: T): ProvidedFace
  /** Never set: it lets the compiler know the type. */
  readonly value?: T
}

export interface ProvidedFace {
  readonly face: string
  readonly value: unknown
}

/** undefined where no module of this hub provides it. */
export type FaceOf = <T>(face: Face<T>) => T | undefined

export const face = <T>(name: string): Face<T> => ({
  kind: 'face',
  name,
  provide: (value) => ({ face: name, value }),
})

/** Looks faces up among what is opened by then. */
export const facesOf =
  (opened: () => Iterable<{ readonly faces?: readonly ProvidedFace[] }>): FaceOf =>
  <T>({ name }: Face<T>): T | undefined => {
    for (const { faces = [] } of opened())
      for (const provided of faces) if (provided.face === name) return provided.value as T
    return undefined
  }
