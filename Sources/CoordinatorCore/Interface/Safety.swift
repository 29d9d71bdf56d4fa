public import FleetProtocol
public import NetworkTypes

/// A machine that speaks under a host's name.
public struct Claimant: Hashable, Sendable, Codable {
    public var incarnation: Incarnation
    public var boot: BootID
    public var fingerprint: String
    public init(incarnation: Incarnation, boot: BootID, fingerprint: String) {
        self.incarnation = incarnation
        self.boot = boot
        self.fingerprint = fingerprint
    }
}

extension Claimant: CustomStringConvertible {
    public var description: String { "boot \(boot) of installation \(incarnation) (fingerprint \(fingerprint))" }
}

/// Why nothing new is bound under a host's name until an operator says how to go on.
public enum HostFreeze: Hashable, Sendable, Codable {
    /// Two machines spoke under one name at the same time: a cloned disk.
    case rivals(first: Claimant, second: Claimant)
    /// The host holds blocks that the book did not know: it was restored from an old backup.
    case unknownLeases([LeaseRecord])
}

/// A host that is cut off for good: by proof that it is off, or because nobody talks to it and it can't bind any more.
public struct HostFence: Hashable, Sendable, Codable {
    public var incarnation: Incarnation
    public var vtep: IPAddress
    /// A further one that it sent from, when it was about to change its endpoint.
    public var former: IPAddress?
    public var proof: FenceProof
    public var reason: String
    /// Its leases were taken. Before that, peers drop its endpoint and time passes.
    public var isComplete: Bool
    public init(
        incarnation: Incarnation, vtep: IPAddress, former: IPAddress? = nil, proof: FenceProof, reason: String,
        isComplete: Bool = false
    ) {
        self.incarnation = incarnation
        self.vtep = vtep
        self.former = former
        self.proof = proof
        self.reason = reason
        self.isComplete = isComplete
    }
}

/// What makes it safe to take a silent host's leases.
public enum FenceProof: String, Hashable, Sendable, Codable, CaseIterable {
    /// It has no power: proven by whoever says so.
    case poweredOff = "powered-off"
    /// Every reachable host drops its endpoint, and it has been silent for so long that it binds nothing.
    case cutOff = "cut-off"
    /// Every reachable host drops its endpoint; that it binds nothing is the operator's word.
    case assumedOff = "assumed-off"
}

/// Removals that went on without a host. Repaid by the acknowledgement of a snapshot.
public struct PeerDebt: Hashable, Sendable, Codable {
    /// Blocks named at most; a host that missed more has missed them all.
    static let namedMax = 1024
    public var blocks: Set<SNIBlock> = []
    /// More were missed than are named.
    public var isLonger = false
    public init() {}

    mutating func add(_ block: SNIBlock) {
        if blocks.count < Self.namedMax { blocks.insert(block) } else { isLonger = !blocks.contains(block) || isLonger }
    }
}

/// All that keeps a host from being like any other, durable.
struct HostSafety: Hashable, Sendable, Codable {
    var freeze: HostFreeze?
    var fence: HostFence?
    var debt: PeerDebt?
    /// Machines that an operator decided against: no grant, whatever they say.
    var barred: [Barred] = []
    /// Installation that an operator accepted in place of the one in the record.
    var accepted: Incarnation?
    /// Leases of this host up to this epoch were fenced: nobody waits for its word about them.
    var fencedUpTo: Epoch?

    /// A nil field stands for any.
    struct Barred: Hashable, Sendable, Codable {
        var incarnation: Incarnation
        var boot: BootID?
        var fingerprint: String?
    }

    /// Not waited for in handshakes, also after a restart of the coordinator.
    var isOutside: Bool { debt != nil || (fence?.isComplete ?? false) }

    func bars(_ claimant: Claimant) -> Bool {
        barred.contains {
            $0.incarnation == claimant.incarnation && $0.boot ?? claimant.boot == claimant.boot
                && $0.fingerprint ?? claimant.fingerprint == claimant.fingerprint
        }
    }
}

/// What happens to the safety of one host.
public enum SafetyEvent: Hashable, Sendable, Codable {
    case frozen(HostFreeze)
    /// An operator decided; the other machine, if there was one, gets no grant any more.
    case thawed(barred: Claimant?)
    /// Its kernel may still carry a block that everybody else removed.
    case debtIncurred(SNIBlock)
    /// It acknowledged a snapshot.
    case debtRepaid
    case fenceStarted(HostFence)
    /// Peers and time have done their part: leases up to this epoch are taken.
    case fenced(upTo: Epoch)
    /// It came back before the fence was complete.
    case fenceCancelled
    /// It gave up what it held, or another installation took its name.
    case returned
    /// An operator accepted an installation in place of the one in the record.
    case replaced(by: Incarnation)
    /// The accepted installation has its journal in order.
    case settled
}

extension HostSafety {
    mutating func apply(_ event: SafetyEvent, of record: HostRecord?) {
        switch event {
        case .frozen(let freeze): self.freeze = freeze
        case .thawed(let claimant):
            freeze = nil
            if let claimant {
                barred.append(
                    Barred(
                        incarnation: claimant.incarnation, boot: claimant.boot, fingerprint: claimant.fingerprint))
            }
        case .debtIncurred(let block): debt = (debt ?? PeerDebt()).adding(block)
        case .debtRepaid: debt = nil
        case .fenceStarted(let fence): self.fence = fence
        case .fenced(let epoch):
            fence?.isComplete = true
            fencedUpTo = max(fencedUpTo ?? epoch, epoch)
        case .fenceCancelled, .returned: fence = nil
        case .replaced(let incarnation):
            accepted = incarnation
            if let record, record.incarnation != incarnation {
                barred.append(Barred(incarnation: record.incarnation, boot: nil, fingerprint: nil))
            }
            barred.removeAll { $0.incarnation == incarnation }
        case .settled: accepted = nil
        }
    }
}

extension PeerDebt {
    fileprivate func adding(_ block: SNIBlock) -> PeerDebt {
        var copy = self
        copy.add(block)
        return copy
    }
}
