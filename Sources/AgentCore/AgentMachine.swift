public import FleetProtocol
public import NetworkTypes

/// The agent's state machine: inputs in, effects out.
public struct AgentMachine: Sendable {
    public init(configuration: AgentCoreConfiguration, identity: AgentIdentity, randomSeed: UInt64) {}
    /// Call once, before any other input. `journalLost`: the journal is missing where ports run, or is foreign.
    public mutating func recover(
        _ entries: [JournalEntry], kernelPorts: [AdoptedPort], journalLost: Bool, at now: Instant
    ) -> [AgentEffect] { [] }
    public mutating func handle(_ input: AgentInput, at now: Instant) -> [AgentEffect] { [] }
    /// When `tick` is due next, nil when nothing waits.
    public var nextDeadline: Instant? { nil }
}
