/// State of an identifier as the coordinator's book keeps it. Which identifiers are bound, held or cooling inside a
/// leased block is the host's to know.
public enum IdentifierState: String, Hashable, Sendable, Codable, CaseIterable {
    case free, reserved, leased, staged, marked, draining, quarantined

    init(_ state: LeaseState) {
        switch state {
        case .leased: self = .leased
        case .staged: self = .staged
        case .marked: self = .marked
        case .draining: self = .draining
        case .quarantined: self = .quarantined
        }
    }
}

/// What can happen to a block of identifiers.
public enum BookVerb: String, Hashable, Sendable, Codable, CaseIterable {
    /// An application claims it.
    case reserve
    /// Its claim ends.
    case release
    /// A host gets it.
    case lease
    /// Every reachable peer acknowledged it.
    case stage
    /// The host is asked to drain it.
    case mark
    /// The host refused, or did not answer in time.
    case abort
    /// The host drained it for good.
    case drain
    /// Owner and reachable peers acknowledged its removal.
    case remove
    /// Its quarantine ended.
    case free
    /// Its host is proven off or cut off: what a drain does, without the host.
    case fence
    /// One of its identifiers is leased to another host for a migration.
    case sublease
}

extension IdentifierState {
    /// The state after `verb`, nil when the verb is refused. `stagedBefore` decides where an abort returns to.
    public func after(_ verb: BookVerb, stagedBefore: Bool = false) -> IdentifierState? {
        switch (self, verb) {
        case (.free, .reserve): .reserved
        case (.reserved, .release): .free
        case (.reserved, .lease): .leased
        case (.leased, .stage): .staged
        case (.leased, .mark), (.staged, .mark): .marked
        case (.marked, .abort): stagedBefore ? .staged : .leased
        case (.marked, .drain): .draining
        case (.leased, .fence), (.staged, .fence), (.marked, .fence): .draining
        case (.draining, .remove): .quarantined
        case (.quarantined, .free): .free
        // The end of a claim never ends a lease: only the handshake does.
        case (.leased, .release), (.staged, .release), (.marked, .release), (.draining, .release),
            (.quarantined, .release):
            self
        // What happens to one identifier inside leaves the block where it was.
        case (.leased, .sublease), (.staged, .sublease): self
        default: nil
        }
    }
}
