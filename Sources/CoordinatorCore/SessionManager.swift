import Allocation
import FleetProtocol
import NetworkTypes
import SNISpace

/// Session Manager: applications and sessions. VMs are what the agents report.
extension CoordinatorMachine {
    static let labelMax = 128
    static let applicationsMax = 131_072

    func resolve(_ reference: ApplicationReference) throws(CoordinatorError) -> ApplicationRecord {
        if let id = ApplicationID(reference), let record = state.applications[id] { return record }
        if let id = state.names[reference], let record = state.applications[id] { return record }
        throw .unknownApplication(reference)
    }

    func resolveAll(_ reference: ApplicationReference) throws(CoordinatorError) -> [ApplicationRecord] {
        guard reference.isEmpty else { return [try resolve(reference)] }
        return state.applications.values.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    }

    mutating func createApplication(
        _ name: String, _ policy: ApplicationPolicy, _ wanted: ApplicationID?
    ) throws(CoordinatorError) -> Reply {
        guard HostID(name) != nil else {
            throw .invalid(field: "name", why: "must be 1 to 63 of a-z 0-9 - . and start with a letter or digit")
        }
        guard ApplicationID(name) == nil else { throw .invalid(field: "name", why: "must not have the form of a UUID") }
        try validate(policy, of: wanted)
        if let wanted, let record = state.applications[wanted] {
            guard record.name == name, record.policy == policy else { throw .duplicate(wanted.description) }
            return .application(info(record))
        }
        guard state.names[name] == nil else { throw .duplicateName(name) }
        guard state.applications.count < Self.applicationsMax else {
            throw .invalid(field: "name", why: "there are \(Self.applicationsMax) applications, the most there can be")
        }
        let id = wanted ?? ApplicationID(.random(using: &randomness))
        let quota = try bookCall { (book) throws(BookError) in
            try book.setQuota(id, cap: policy.cap, floor: policy.floor, rank: policy.priority.rank)
        }
        commit(.applicationCreated(id, name: name, policy: policy, revision: live.revision + 1))
        commit(quota)
        boundProfiles()
        return .application(try info(id))
    }

    mutating func updateApplication(
        _ reference: ApplicationReference, _ policy: ApplicationPolicy, _ expected: UInt64
    ) throws(CoordinatorError) -> Reply {
        let record = try resolve(reference)
        guard !record.deleting else { throw .deleting(record.name) }
        guard expected == 0 || expected == record.revision else {
            throw .conflict(expected: expected, actual: record.revision)
        }
        try validate(policy, of: record.id)
        guard policy != record.policy else { return .application(info(record)) }
        let quota = try bookCall { (book) throws(BookError) in
            try book.setQuota(record.id, cap: policy.cap, floor: policy.floor, rank: policy.priority.rank)
        }
        let before = Set(record.policy.allowed)
        commit(.applicationUpdated(record.id, policy: policy, revision: live.revision + 1))
        commit(quota)
        // A change of who may talk to whom changes what hosts of both sides carry.
        for application in before.union(policy.allowed).union([record.id]) {
            live.dirtyScopes.insert(application)
            live.dirtyHosts.formUnion((live.presence[application] ?? [:]).keys)
        }
        return .application(try info(record.id))
    }

    /// Refused while VMs are bound; else a state until the last block is free.
    mutating func deleteApplication(_ reference: ApplicationReference) throws(CoordinatorError) -> Reply {
        let record = try resolve(reference)
        guard !record.deleting else { return .application(info(record)) }
        let users = leases(of: record.id).flatMap { state.bindings.users(of: $0.block, on: $0.host) }
        guard users.isEmpty else { throw .refused(users: users) }
        commit(.applicationDeleting(record.id, revision: live.revision + 1))
        let quota = try bookCall { (book) throws(BookError) in try book.setQuota(record.id, cap: 0, floor: 0) }
        commit(quota)
        for reservation in state.book.reservations(of: record.id) {
            end(reservation.id, reason: "application deleted")
        }
        var answer = info(try resolve(record.id.description))
        proceedWithDeletion(of: record.id)
        if let still = state.applications[record.id] { answer = info(still) }
        return .application(answer)
    }

    /// Marks what is left to mark, and forgets the application once nothing is left at all.
    mutating func proceedWithDeletion(of id: ApplicationID) {
        for lease in leases(of: id) where lease.state == .leased || lease.state == .staged {
            mark(lease.block, reason: "application deleted", force: false)
        }
        guard state.book.owned(by: id) == 0 else { return }
        live.memories[id] = nil
        live.places.forget(id)
        live.decisions[id] = nil
        live.outcomes[id] = nil
        live.forecasts[id] = nil
        live.refusedLaunches[id] = nil
        let allowing = state.applications.values.filter { $0.policy.allowed.contains(id) }.map(\.id)
        commit(.book(.applicationForgotten(id)))
        commit(.applicationDeleted(id))
        live.dirtyScopes.formUnion(allowing)
        notice(.info, "application-deleted", "application \(id) is gone")
    }

    mutating func createSession(
        _ reference: ApplicationReference, _ label: String
    ) throws(CoordinatorError) -> Reply {
        let record = try resolve(reference)
        guard !record.deleting else { throw .deleting(record.name) }
        guard label.count <= Self.labelMax else {
            throw .invalid(field: "label", why: "must have at most \(Self.labelMax) characters")
        }
        let id = SessionID(.random(using: &randomness))
        commit(.sessionCreated(id, application: record.id, label: label))
        return .session(try session(id))
    }

    mutating func endSession(_ id: SessionID) throws(CoordinatorError) -> Reply {
        guard let record = state.sessions[id] else { throw .unknownSession(id) }
        if !record.ended { commit(.sessionEnded(id)) }
        return .session(try session(id))
    }

    private func validate(_ policy: ApplicationPolicy, of id: ApplicationID?) throws(CoordinatorError) {
        func require(_ holds: Bool, _ field: String, _ why: String) throws(CoordinatorError) {
            guard holds else { throw .invalid(field: field, why: why) }
        }
        let space = SessionNetworkID.spaceSize
        let block = policy.blockSize ?? configuration.blockSize
        try require(
            SNIBlock.leasableSizes.contains(block) && block & (block - 1) == 0, "block_size",
            "must be a power of two from 4 to 256")
        try require((0...space).contains(policy.cap), "cap", "must be from 0 (none) to \(space)")
        try require(
            policy.cap == 0 || policy.cap >= block, "cap", "must leave room for one block of \(block), or be 0 (none)")
        try require((0...space).contains(policy.floor), "floor", "must be from 0 to \(space)")
        try require(policy.cap == 0 || policy.floor <= policy.cap, "floor", "must not exceed the cap of \(policy.cap)")
        let low = policy.lowWatermark ?? AllocationPolicy.lowWatermarkDefault
        let high = policy.highWatermark ?? block
        try require((0...space).contains(low), "low_watermark", "must be from 0 to \(space)")
        try require(
            high >= low && high <= space, "high_watermark", "must be from the low watermark (\(low)) to \(space)")
        if let threshold = policy.threshold {
            try require(threshold > 0 && threshold < 1, "threshold", "must be between 0 and 1")
        }
        if let ratio = policy.costRatio {
            do throws(MarginalError) {
                _ = try MarginalPolicy(costRatio: ratio)
            } catch {
                throw .invalid(field: "cost_ratio", why: "\(error)")
            }
        }
        for other in policy.allowed {
            try require(other != id, "allowed_applications", "must not name the application itself")
            guard state.applications[other] != nil else { throw .unknownApplication(other.description) }
        }
    }
}
