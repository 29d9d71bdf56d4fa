import FleetProtocol
public import NetworkTypes
import SNISpace

/// Traffic between two groups of VMs.
public struct TalkingGroups: Hashable, Sendable {
    public var source: VMGroup
    public var destination: VMGroup
    /// A lower bound: hosts tell their busiest pairs only.
    public var bytesPerSecond: Double
    public init(source: VMGroup, destination: VMGroup, bytesPerSecond: Double) {
        self.source = source
        self.destination = destination
        self.bytesPerSecond = bytesPerSecond
    }
}

/// Traffic between two applications.
public struct TalkingApplications: Hashable, Sendable {
    public var source: ApplicationID
    public var destination: ApplicationID
    public var bytesPerSecond: Double
}

/// What communication says about where an application's identifiers should be: advice for whoever places them.
public struct CommunicationAdvice: Hashable, Sendable {
    public var application: ApplicationID
    /// Hosts by the traffic that is exchanged with VMs there, most first: a block staged there serves VMs that would have
    /// their peers close by.
    public var hosts: [HostID]
    /// Other applications by traffic, most first: neighbouring ranges of the two would be fewer pairs in every host's filter.
    public var neighbours: [ApplicationID]
}

public struct CommunicationInfo: Hashable, Sendable {
    public var groups: [TalkingGroups]
    public var applications: [TalkingApplications]
    public var advice: [CommunicationAdvice]
}

extension CoordinatorMachine {
    /// Slots between two tidyings.
    private static let tidyEvery = 60

    /// Pairs of one report; those whose destination nobody leases any more are left out.
    mutating func note(_ parts: [ApplicationAggregate], of host: HostID, at slot: Int) {
        for part in parts {
            for pair in part.peers?.pairs ?? [] {
                guard let lease = state.book.lease(around: pair.destination) else { continue }
                live.communication.add(
                    pair.bytes, from: VMGroup(application: part.application, host: host),
                    to: VMGroup(application: lease.application, host: lease.host), at: slot)
            }
        }
        if slot >= live.communicationTidied + Self.tidyEvery {
            live.communicationTidied = slot
            live.communication.tidy(at: slot)
        }
    }

    /// - Parameters:
    ///   - reference: an application on either side; empty means all.
    ///   - limit: pairs of each kind at most.
    public func communication(
        of reference: ApplicationReference = "", limit: Int
    ) throws(CoordinatorError) -> CommunicationInfo {
        let chosen = reference.isEmpty ? nil : try resolve(reference).id
        let groups =
            talking
            .filter { chosen == nil || $0.source.application == chosen || $0.destination.application == chosen }
        var between: [TalkingPair: Double] = [:]
        for entry in groups {
            between[
                TalkingPair(source: entry.source.application, destination: entry.destination.application), default: 0
            ] += entry.bytesPerSecond
        }
        let applications = between.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
            TalkingApplications(source: $0.key.source, destination: $0.key.destination, bytesPerSecond: $0.value)
        }
        let subjects =
            chosen.map { [$0] }
            ?? Set(groups.flatMap { [$0.source.application, $0.destination.application] })
            .sorted()
        return CommunicationInfo(
            groups: Array(groups.prefix(limit)), applications: Array(applications.prefix(limit)),
            advice: subjects.prefix(limit).compactMap { Self.advice(for: $0, groups) })
    }

    /// Most traffic first.
    private var talking: [TalkingGroups] {
        guard configuration.profiler != .alone else { return live.followed.groups }
        let seconds = configuration.aggregateInterval.inSeconds
        return live.communication.all(at: state.slot).map {
            TalkingGroups(source: $0.source, destination: $0.destination, bytesPerSecond: $0.bytesPerSlot / seconds)
        }
    }

    private static func advice(for application: ApplicationID, _ groups: [TalkingGroups]) -> CommunicationAdvice? {
        var (hosts, neighbours) = ([HostID: Double](), [ApplicationID: Double]())
        for entry in groups {
            let ends = [(entry.source, entry.destination), (entry.destination, entry.source)]
            for (mine, other) in ends where mine.application == application {
                hosts[other.host, default: 0] += entry.bytesPerSecond
                guard other.application != application else { continue }
                neighbours[other.application, default: 0] += entry.bytesPerSecond
            }
        }
        guard !hosts.isEmpty else { return nil }
        return CommunicationAdvice(
            application: application,
            hosts: hosts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key),
            neighbours: neighbours.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key))
    }
}

private struct TalkingPair: Hashable, Comparable {
    var source: ApplicationID
    var destination: ApplicationID
    static func < (lhs: Self, rhs: Self) -> Bool { (lhs.source, lhs.destination) < (rhs.source, rhs.destination) }
}
