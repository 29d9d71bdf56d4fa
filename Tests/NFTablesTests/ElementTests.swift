import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// Elements: bytes, transactions, and what happens to the rest when one is refused.
@Suite(.serialized) struct ElementTests {
    /// Tables in a namespace without devices; the ingress table needs one.
    private final class Bare {
        let name: String
        let tables: NFTables

        init(_ label: String) throws {
            name = "otr-nft\(getpid())-e\(label)"
            try NetworkNamespace.create([name])
            try Command.ipBatch(["link add outrider type veth peer name other"], namespace: name)
            tables = try NFTables(
                .overlay(device: "outrider"), in: NamespaceSockets(path: NetworkNamespace.path(name)))
            try tables.ensureStructure { [] }
        }
        deinit { try? NetworkNamespace.remove([name]) }
    }

    private static func address(_ value: UInt32) -> IPv4Address { IPv4Address(value) }
    private static let six = IPv6Address(high: 0xfd53_4e49_5349_0010, low: 1)
    private static let vni = SessionNetworkID(unchecked: 4352)

    private static let samples: [FilterElement] = [
        .pair4(address(10)...address(19), address(30)...address(39)),
        .pair6(six...IPv6Address(high: six.high, low: .max), six...six),
        .source4(device: "sni001012", address(7)), .source6(device: "fifteen-letters", six),
        .arpSender(device: "sni001012", address(7)), .solicitor6(device: "sni001012", six),
        .ingress4(vni: vni, address(7)), .ingress6(vni: vni, six),
    ]

    private func creates(_ elements: [FilterElement]) -> [KernelOperation] { elements.map { .create(.element($0)) } }

    @Test func everyKindComesBackAsItWasWritten() throws {
        let bare = try Bare("r")
        let outcome = try bare.tables.apply(creates(Self.samples))
        #expect(outcome.completed == creates(Self.samples) && outcome.failed.isEmpty)
        for element in Self.samples { #expect(try bare.tables.dump(element.set) == [element]) }
        // Writing hash elements again is no error; deleting twice is done.
        let hashed = Self.samples.filter { $0.set != .pair4 && $0.set != .pair6 }
        #expect(try bare.tables.apply(creates(hashed)).failed.isEmpty)
        let deletes = Self.samples.map { KernelOperation.delete(.element($0)) }
        for _ in 0..<2 { #expect(try bare.tables.apply(deletes).completed == deletes) }
        for element in Self.samples { #expect(try bare.tables.dump(element.set) == []) }
    }

    @Test func bytesThatAreNotOursAreReadAndDeletable() throws {
        let bare = try Bare("u")
        let name = [UInt8](repeating: 0xFF, count: 16)
        let unknown = FilterElement.unknown(.source4, key: name + [1, 2, 3, 4], end: [])
        #expect(try bare.tables.apply(creates([unknown])).failed.isEmpty)
        #expect(try bare.tables.dump(.source4) == [unknown])
        #expect(try bare.tables.apply([.delete(.element(unknown))]).failed.isEmpty)
        #expect(try bare.tables.dump(.source4) == [])
    }

    /// One overlapping interval in the middle: it alone is refused, by name.
    @Test func oneRefusedElementDoesNotTakeTheOthersAlong() throws {
        let bare = try Bare("m")
        let present = FilterElement.pair4(Self.address(100)...Self.address(200), Self.address(1)...Self.address(9))
        #expect(try bare.tables.apply(creates([present])).failed.isEmpty)
        let overlapping = FilterElement.pair4(Self.address(150)...Self.address(250), Self.address(1)...Self.address(9))
        let contained = FilterElement.pair4(Self.address(110)...Self.address(120), Self.address(1)...Self.address(9))
        let missing = FilterElement.pair4(Self.address(900)...Self.address(901), Self.address(1)...Self.address(9))
        let good = [Self.samples[0], Self.samples[2], Self.samples[6]]
        let operations =
            creates([good[0], overlapping]) + [.delete(.element(missing))] + creates([good[1], contained, good[2]])
        let writes = bare.tables.writes
        let outcome = try bare.tables.apply(operations)
        #expect(outcome.failed.map(\.operation) == creates([overlapping, contained]))
        #expect(outcome.failed.allSatisfy { $0.error.isExists })
        #expect(outcome.completed.count == 4)
        #expect(bare.tables.writes == writes + 3)
        #expect(Set(try bare.tables.dump(.pair4)) == [present, good[0]])
        #expect(try bare.tables.dump(.ingress4) == [good[2]])
        // Replacing it in one transaction is what the plan does.
        let swap: [KernelOperation] = [.delete(.element(present))] + creates([overlapping])
        #expect(try bare.tables.apply(swap).failed.isEmpty)
        #expect(Set(try bare.tables.dump(.pair4)) == [overlapping, good[0]])
    }

    @Test func thousandsInOneTransaction() throws {
        let bare = try Bare("t")
        let elements = (0..<20_000).map { FilterElement.ingress4(vni: Self.vni, Self.address(UInt32($0))) }
        #expect(try bare.tables.apply(creates(elements)).failed.isEmpty)
        #expect(Set(try bare.tables.dump(.ingress4)) == Set(elements))
        // A table that is replaced carries all of them in the same transaction.
        try Command.run(["ip", "netns", "exec", bare.name, "nft", "delete", "table", "netdev", "outrider"])
        #expect(try bare.tables.ensureStructure { elements } == ["netdev outrider"])
        #expect(try bare.tables.dump(.ingress4).count == elements.count)
    }

    @Test func whatIsNoElementIsRefused() throws {
        let bare = try Bare("n")
        let operation = KernelOperation.create(.vni(Self.vni))
        let outcome = try bare.tables.apply([operation])
        #expect(outcome.completed.isEmpty && outcome.failed.map(\.operation) == [operation])
        try bare.tables.removeStructure()
        let orphan = try bare.tables.apply(creates([Self.samples[2]]))
        #expect(orphan.failed.first?.error.isNotFound == true)
    }
}
