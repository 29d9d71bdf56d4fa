public import NetworkTypes

/// What kind of identifiers served a launch, best first.
public enum ServedFrom: String, Sendable, Codable, CaseIterable {
    /// The host's own block, staged at every reachable peer: no message to anybody.
    case staged
    /// The host's own block, not yet acknowledged by all peers.
    case leased
    /// A block out of the application's reserved range: one round trip.
    case reserved
    /// A new range had to be found.
    case cold
}

/// Priority of an application: decides its quantile, and who yields under shortage.
public enum PriorityClass: String, Sendable, Codable, CaseIterable {
    case critical, standard, batch

    /// Quantile of demand that the class is served up to (`docs/design.md`, "Predictive Allocator").
    public var quantile: Double {
        switch self {
        case .critical: 0.99
        case .standard: 0.95
        case .batch: 0.80
        }
    }
}

/// A lease as the agent holds it, for inventories.
public struct LeaseRecord: Hashable, Sendable, Codable {
    public var block: SNIBlock
    public var application: ApplicationID
    /// Epoch journalled last.
    public var epoch: Epoch
    /// Drain acknowledged: past the point of no return.
    public var drained: Bool
    /// A VM migrates here, and its guest has not been heard yet: it runs where it came from.
    public var awaitsArrival: Bool
    public init(
        block: SNIBlock, application: ApplicationID, epoch: Epoch, drained: Bool = false, awaitsArrival: Bool = false
    ) {
        self.awaitsArrival = awaitsArrival
        self.block = block
        self.application = application
        self.epoch = epoch
        self.drained = drained
    }
}

/// State of a binding.
public enum BindingState: String, Sendable, Codable, CaseIterable {
    case bound
    /// Kept for a stopped VM.
    case held
    /// Just unbound; not handed out again until its cooldown ended.
    case cooling
    /// Unbound and cooled.
    case ended
}

/// A binding as the agent holds it: VM interface ↔ identifier inside a leased block.
public struct BindingRecord: Hashable, Sendable, Codable {
    public var sni: SessionNetworkID
    public var interface: VMInterface
    public var application: ApplicationID
    public var session: SessionID?
    public var state: BindingState
    public var servedFrom: ServedFrom
    /// Epoch of the block at binding.
    public var epoch: Epoch
    public init(
        sni: SessionNetworkID, interface: VMInterface, application: ApplicationID, session: SessionID? = nil,
        state: BindingState, servedFrom: ServedFrom, epoch: Epoch
    ) {
        self.sni = sni
        self.interface = interface
        self.application = application
        self.session = session
        self.state = state
        self.servedFrom = servedFrom
        self.epoch = epoch
    }
}
