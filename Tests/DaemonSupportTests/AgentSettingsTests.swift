import Logging
import NetworkTypes
import Testing

@testable import DaemonSupport

@Suite struct AgentSettingsTests {
    private let required = "host: node-1\ncoordinator: 10.0.0.2:7400\nvtep: 10.0.0.5\n"

    private func problems(_ yaml: String) -> [String] {
        do {
            _ = try AgentSettings(yaml: yaml, file: "a.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func requiredKeysAreEnough() throws {
        let settings = try AgentSettings(yaml: required, file: "a.yaml")
        #expect(settings.host.name == "node-1" && settings.vtep.description == "10.0.0.5")
        #expect(settings.coordinator == Endpoint("10.0.0.2:7400") && settings.underlayMTU == nil)
        #expect(settings.overlayNamespace == "/run/netns/outrider" && settings.socket == "/run/outrider/agent.sock")
        #expect(try AgentSettings(yaml: settings.effectiveText, file: "a.yaml") == settings)
    }

    @Test func everyKeyIsRead() throws {
        let yaml =
            required + """
                underlay-mtu: 9000
                state-directory: /a
                socket: /b
                socket-group: wheel
                overlay-namespace: /run/netns/x
                boot-id-file: /c
                fingerprint-file: /d
                reconcile-interval: 1m
                sample-interval: 250ms
                addressing: "off"
                dns-servers: [192.0.2.53, "fd00::53"]
                mode: observe
                observe: ["name=vnet* application=alias", "domain=web-* application=metadata"]
                libvirt-runtime: [/e, /f]
                log-level: warning
                """
        let settings = try AgentSettings(yaml: yaml, file: "a.yaml")
        #expect(settings.underlayMTU == 9000 && settings.stateDirectory == "/a" && settings.socket == "/b")
        #expect(settings.socketGroup == "wheel" && settings.overlayNamespace == "/run/netns/x")
        #expect(settings.bootIDFile == "/c" && settings.fingerprintFile == "/d" && settings.logLevel == .warning)
        #expect(settings.reconcileInterval == .seconds(60) && settings.sampleInterval == .milliseconds(250))
        #expect(settings.addressing == .off && settings.dnsServers.map(\.description) == ["192.0.2.53", "fd00::53"])
        #expect(settings.mode == .observe && settings.libvirtRuntime == ["/e", "/f"])
        #expect(
            settings.observe.map(\.description) == [
                "name=vnet* application=alias", "domain=web-* application=metadata",
            ])
        #expect(try AgentSettings(yaml: settings.effectiveText, file: "a.yaml") == settings)
    }

    @Test func aRuleForNobodyIsRefused() {
        #expect(problems(required + "observe: [\"name=vnet*\"]").count == 1)
        #expect(problems(required + "mode: look").count == 1)
    }

    @Test func missingRequiredKeysAreAllNamed() {
        let found = problems("log-level: info")
        #expect(found.count == 3)
        #expect(found.allSatisfy { $0.contains("it is required and missing") })
    }

    @Test(arguments: ["192.0.2.1", "2001:db8::1", "fd00::1"])
    func usableVTEP(_ address: String) throws {
        let settings = try AgentSettings(yaml: "host: a\ncoordinator: c:1\nvtep: \"\(address)\"", file: "a.yaml")
        #expect(settings.vtep.description == address)
        #expect(try AgentSettings(yaml: settings.effectiveText, file: "a.yaml") == settings)
    }

    @Test(arguments: [
        "127.0.0.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", "::1", "\"::\"", "fe80::1", "ff02::1", "::ffff:a00:1",
    ])
    func unusableVTEP(_ address: String) {
        let found = problems("host: a\ncoordinator: c:1\nvtep: \(address)")
        #expect(found.count == 1)
        let plain = address.filter { $0 != "\"" }
        #expect(found.first?.hasPrefix("a.yaml:3: key 'vtep': \(plain) is ") == true)
    }

    @Test(arguments: ["10.0.0.300:7400", "10.0.0.2", "10.0.0.2:0", "fd00::1:7400", "-x:1", "a..b:1", ":1"])
    func unusableEndpoint(_ text: String) { #expect(Endpoint(text) == nil) }

    @Test(arguments: ["10.0.0.2:7400", "[fd00::1]:7400", "coordinator.example:1"])
    func usableEndpoint(_ text: String) { #expect(Endpoint(text)?.description == text) }
}
