import ControlAPIMapping
import CoordinatorCore
import FleetMapping
import GRPCCore
import NetworkTypes
import Testing

/// Every refusal has a status, a code of its own, and a message that names the thing.
@Suite struct ErrorTableTests {
    private static let session = SessionID(UUID128(high: 1, low: 1))
    private static let reservation = ReservationID(UUID128(high: 2, low: 2))

    @Test(
        arguments: [
            (CoordinatorError.unknownApplication("web"), RPCError.Code.notFound, "unknown-application", "'web'"),
            (.unknownSession(session), .notFound, "unknown-session", "\(session)"),
            (.unknownReservation(reservation), .notFound, "unknown-reservation", "\(reservation)"),
            (.exhausted(wanted: 32, free: 7), .resourceExhausted, "exhausted", "32 identifiers wanted, 7 free"),
            (.awaited(wanted: 32, ahead: 7), .resourceExhausted, "awaited", "7 that are free"),
            (.quota(cap: 64, owned: 60, wanted: 16), .resourceExhausted, "quota", "the cap is 64"),
            (.conflict(expected: 3, actual: 5), .aborted, "conflict", "revision 3 is stale, 5 is in force"),
            (.outsidePool(SNIRange(unchecked: 9, count: 2)), .outOfRange, "outside-pool", "9-10"),
            (.duplicateName("web"), .alreadyExists, "duplicate-name", "'web'"),
            (.duplicate("key k1"), .alreadyExists, "duplicate", "key k1"),
            (.invalid(field: "name", why: "too long"), .invalidArgument, "invalid", "field name: too long"),
            (.deleting("web"), .failedPrecondition, "deleting", "'web'"),
            (.restoring(awaited: HostID("h7").map { [$0] } ?? []), .unavailable, "restoring", "h7"),
            (
                .staleSharding(version: 4, inForce: 5), .aborted, "stale-sharding",
                "version 4 of the document is stale, 5"
            ),
            (.newerSharding(found: 2, supported: 1), .failedPrecondition, "newer-sharding", "format 2"),
            (.anotherPool(field: "key"), .invalidArgument, "another-pool", "key of the document"),
            (.notReady, .unavailable, "not-ready", "try again"),
        ])
    func row(error: CoordinatorError, status: RPCError.Code, code: String, text: String) {
        let result = RPCError(error)
        #expect(result.code == status)
        #expect(Array(result.metadata[stringValues: RPCError.codeKey]) == [code])
        #expect(result.message.contains(text))
    }

    @Test func usersInTheWayAreNamedUpToABound() throws {
        let users = try (0..<20).map { try #require(VMInterface(vm: "vm-\($0)", nic: 0)) }
        let result = RPCError(CoordinatorError.refused(users: users))
        #expect(result.code == .failedPrecondition)
        #expect(result.message.contains("vm-0/0, vm-1/0") && result.message.contains("and 12 more"))
        #expect(!result.message.contains("vm-19"))
    }

    @Test func malformedRequestNamesItsField() {
        let result = RPCError(MappingError(field: "policy.priority", detail: "unknown value 9"))
        #expect(result.code == .invalidArgument && result.message == "field policy.priority: unknown value 9")
    }
}
