import LocalAPI
import NetworkTypes
import Testing

@Suite struct CallTests {
    static let application = "00000000-0000-000a-0000-000000000001"

    @Test(arguments: [
        PortWish.veth(namespace: "/run/netns/vm1", name: "eth0"), .tap(uid: 0, gid: nil), .tap(uid: nil, gid: 107),
        .later,
    ])
    func attachSurvives(port: PortWish) throws {
        let call = AttachCall(
            application: try #require(ApplicationID(Self.application)), session: SessionID(UUID128(high: 1, low: 2)),
            interface: try #require(VMInterface(vm: "vm1", nic: 3)), mac: MACAddress("06:4f:52:00:10:1a"), port: port,
            timeout: .milliseconds(1500))
        #expect(try AttachCall(json: JSONValue(parsing: call.json.encoded())) == call)
    }

    @Test(arguments: [
        ("application", #"{"application":"web","vm":"a","nic":0,"port":{"later":true}}"#),
        ("vm", #"{"application":"A","vm":"a b","nic":0,"port":{"later":true}}"#),
        ("vm", #"{"application":"A","nic":0,"port":{"later":true}}"#),
        ("nic", #"{"application":"A","vm":"a","nic":256,"port":{"later":true}}"#),
        ("nic", #"{"application":"A","vm":"a","nic":"0","port":{"later":true}}"#),
        ("port", #"{"application":"A","vm":"a","nic":0}"#),
        ("port", #"{"application":"A","vm":"a","nic":0,"port":{}}"#),
        ("port", #"{"application":"A","vm":"a","nic":0,"port":{"later":true,"tap":{}}}"#),
        ("port.later", #"{"application":"A","vm":"a","nic":0,"port":{"later":false}}"#),
        ("port.veth.name", #"{"application":"A","vm":"a","nic":0,"port":{"veth":{"namespace":"/x","name":"a/b"}}}"#),
        ("port.veth.namespace", #"{"application":"A","vm":"a","nic":0,"port":{"veth":{"namespace":"x","name":"e"}}}"#),
        ("port.tap.uid", #"{"application":"A","vm":"a","nic":0,"port":{"tap":{"uid":-1}}}"#),
        ("mac", #"{"application":"A","vm":"a","nic":0,"mac":"01:00:5e:00:00:01","port":{"later":true}}"#),
        ("timeout_ms", #"{"application":"A","vm":"a","nic":0,"timeout_ms":-1,"port":{"later":true}}"#),
        ("sni", #"{"application":"A","vm":"a","nic":0,"sni":4,"port":{"later":true}}"#),
    ])
    func badParametersAreNamed(parameter: String, text: String) throws {
        let json = try JSONValue(parsing: text.replacing("\"A\"", with: "\"\(Self.application)\"").utf8)
        let failure = #expect(throws: VarlinkFailure.self) { try AttachCall(json: json) }
        #expect(failure?.name == "org.varlink.service.InvalidParameter")
        #expect(failure?.parameters["parameter"] == .string(parameter))
    }

    @Test func detachSurvivesWithAndWithoutAHold() throws {
        let vm = try #require(VMInterface(vm: "vm1", nic: 3))
        for hold in [nil, Duration.milliseconds(1), DetachCall.holdMax] {
            let call = DetachCall(interface: vm, hold: hold)
            #expect(try DetachCall(json: JSONValue(parsing: call.json.encoded())) == call)
        }
        for text in ["0", "-1", "1e3", "31622400001", "\"1h\""] {
            let json = try JSONValue(parsing: #"{"vm":"vm1","nic":3,"hold_ms":\#(text)}"#.utf8)
            #expect(throws: VarlinkFailure.self) { try DetachCall(json: json) }
        }
    }

    static let failures: [AgentFailure] = {
        guard let vm = VMInterface(vm: "vm1", nic: 1) else { return [] }
        return [
            .permissionDenied(uid: 1000), .recovering, .notGranted(reason: "r"),
            .bindingsSuspended(silentFor: .milliseconds(90_500)), .unknownApplication("x"), .applicationDeleting("x"),
            .noIdentifiers(code: "quota", detail: "d"), .timedOut(waited: .milliseconds(1234), connected: false),
            .duplicateInterface(vm, sni: SessionNetworkID(unchecked: 5), difference: "mac"),
            .duplicateInterface(vm, sni: nil, difference: "port"), .noSuchBinding(vm), .detached(vm),
            .portFailed(kind: "name-taken", subject: "eth0", detail: "d"), .dataplaneFailed(reason: "r"),
            .journalFailed(reason: "r"), .tooManyWaiting(limit: 9), .other(.methodNotFound("m")),
        ]
    }()

    @Test(arguments: failures) func failuresSurvive(failure: AgentFailure) {
        #expect(AgentFailure(failure.varlink) == failure)
        #expect(failure.exitCode != 0 && !failure.description.isEmpty)
    }

    @Test func everyErrorIsInTheDescription() {
        for failure in Self.failures.map(\.varlink) where failure.name.hasPrefix(AgentInterface.name) {
            let name = failure.name.dropFirst(AgentInterface.name.count + 1)
            #expect(AgentInterface.description.contains("error \(name) ("))
        }
        for method in ["Attach", "Plug", "Detach", "Resolve", "Status", "Drops"] {
            #expect(AgentInterface.description.contains("method \(method)("))
        }
    }

    private static func telemetry(of application: ApplicationID) -> AgentTelemetryReport {
        var telemetry = AgentTelemetryReport(interval: .seconds(10))
        telemetry.age = .milliseconds(20)
        telemetry.took = .microseconds(900)
        telemetry.sources = [
            .init(name: "ports", rows: 3, error: nil), .init(name: "flows", rows: nil, error: "no such table"),
        ]
        // One of which all is known, one of which nothing is: absent comes back as absent.
        var known = AgentTelemetryReport.Application(application: application)
        known.receivedBytes = 1
        known.sentBytes = 2
        known.receivedPackets = 3
        known.sentPackets = 4
        known.droppedPackets = 5
        known.tunnelBytes = 6
        known.tunnelPackets = 7
        known.cpu = .microseconds(8)
        known.memoryBytes = 9
        known.memoryVMs = 10
        let (source, destination) = (SessionNetworkID(unchecked: 0x1001), SessionNetworkID(unchecked: 0x2001))
        known.pairs = [.init(source: source, destination: destination, bytes: 11, packets: 12)]
        known.unread = 13
        known.unbased = 14
        known.reset = 15
        known.late = 16
        telemetry.applications = [known, .init(application: application)]
        telemetry.flows = 17
        telemetry.events = ["link": 22, "neighbor": 23]
        telemetry.backlog.batches = 18
        telemetry.backlog.intervals = 19
        telemetry.backlog.folded = 20
        telemetry.backlog.lost = 21
        telemetry.observed = [
            .init(
                interface: "vnet0", application: application, vm: "x", vmName: "web", receivedBytes: 22, sentBytes: 23,
                receivedPackets: 24, sentPackets: 25),
            .init(
                interface: "vnet1", application: application, vm: "vnet1", vmName: nil, receivedBytes: 0, sentBytes: 0,
                receivedPackets: 0, sentPackets: 0),
        ]
        return telemetry
    }

    @Test func workloadsSurviveAndOthersAreRefused() throws {
        let application = try #require(ApplicationID(Self.application))
        let interface = try #require(VMInterface(vm: "v", nic: 0))
        for workload in [nil, WorkloadWish.process(4711), .controlGroup("/sys/fs/cgroup/machine/v")] {
            let attach = AttachCall(application: application, interface: interface, port: .later, workload: workload)
            #expect(try AttachCall(json: JSONValue(parsing: attach.json.encoded())) == attach)
            let plug = PlugCall(interface: interface, port: "tap0", workload: workload)
            #expect(try PlugCall(json: JSONValue(parsing: plug.json.encoded())) == plug)
        }
        let wrong: [JSONValue] = [
            [:], ["process": 0], ["process": "1"], ["process": 4_294_967_296], ["control_group": "relative"],
            ["control_group": "/a\0b"], ["process": 1, "control_group": "/a"], ["other": 1], 7,
        ]
        for workload in wrong {
            let json: JSONValue = ["vm": "v", "nic": 0, "port": "tap0", "workload": workload]
            #expect(throws: VarlinkFailure.self, "\(workload)") { try PlugCall(json: json) }
        }
    }

    static let drops = DropReport(drops: [
        .init(reason: "pair", place: "overlay", packets: .max >> 1, bytes: 0, explanation: "e"),
        .init(reason: "protocol", place: "overlay", packets: 0, bytes: nil, explanation: ""),
    ])

    @Test func dropsSurvive() throws {
        #expect(try DropReport(json: JSONValue(parsing: Self.drops.json.encoded())) == Self.drops)
    }

    @Test func statusSurvives() throws {
        let application = try #require(ApplicationID(Self.application))
        var dataplane = AgentStatusReport.Dataplane()
        dataplane.kernelWrites = 77
        dataplane.foreign = ["route 10.9.0.0/16"]
        var counts = AgentStatusReport.Counts()
        counts.staged = 3
        let report = AgentStatusReport(
            host: "h1", incarnation: "i", boot: "b", recovering: false, bindingStopped: "why", journalSequence: 12,
            grant: .init(
                boot: "b", overlayIPv4: "10.0.0.0/8", overlayIPv6: "fd00::/48", mtu: 1450, vxlanPort: 4789,
                bindUntil: .seconds(86_400), cooldown: .seconds(60), aggregateInterval: .milliseconds(200)),
            connected: true, silentFor: .milliseconds(5), position: "1.2.3", acknowledged: "1.2.2",
            leases: [
                .init(
                    block: try #require(SNIBlock(first: SessionNetworkID(unchecked: 0x1000), size: 16)),
                    application: application, epoch: Epoch(3), staged: true, marked: false, drained: false, bound: 1,
                    cooling: 2, available: 13)
            ],
            bindings: [
                .init(
                    sni: SessionNetworkID(unchecked: 0x1001), interface: try #require(VMInterface(vm: "v", nic: 0)),
                    application: application, session: nil, state: "bound", servedFrom: "staged", epoch: Epoch(3),
                    mac: MACAddress(0x064f_5200_1001), port: "sni001001")
            ], counts: counts, dataplane: dataplane, telemetry: Self.telemetry(of: application))
        #expect(try AgentStatusReport(json: JSONValue(parsing: report.json.encoded())) == report)
    }
}
