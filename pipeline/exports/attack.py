"""Words of MITRE ATT&CK (enterprise) for the ids that rules name: tactics, techniques and their pages.

Only names are here, as consumers show them beside the id and some refuse a technique without. What an id may look like
is decided where rules are read; an id whose name is not known is told without it.
"""

from __future__ import annotations

FRAMEWORK, URL = "MITRE ATT&CK", "https://attack.mitre.org"
TACTICS = {
    "reconnaissance": "TA0043",
    "resource-development": "TA0042",
    "initial-access": "TA0001",
    "execution": "TA0002",
    "persistence": "TA0003",
    "privilege-escalation": "TA0004",
    "defense-evasion": "TA0005",
    "credential-access": "TA0006",
    "discovery": "TA0007",
    "lateral-movement": "TA0008",
    "collection": "TA0009",
    "command-and-control": "TA0011",
    "exfiltration": "TA0010",
    "impact": "TA0040",
}
"""Ids of the tactics, by their short names."""
TECHNIQUES = {
    "T1018": "Remote System Discovery",
    "T1020": "Automated Exfiltration",
    "T1021": "Remote Services",
    "T1029": "Scheduled Transfer",
    "T1030": "Data Transfer Size Limits",
    "T1039": "Data from Network Shared Drive",
    "T1041": "Exfiltration Over C2 Channel",
    "T1046": "Network Service Discovery",
    "T1048": "Exfiltration Over Alternative Protocol",
    "T1048.001": "Exfiltration Over Symmetric Encrypted Non-C2 Protocol",
    "T1048.002": "Exfiltration Over Asymmetric Encrypted Non-C2 Protocol",
    "T1048.003": "Exfiltration Over Unencrypted Non-C2 Protocol",
    "T1071": "Application Layer Protocol",
    "T1071.001": "Web Protocols",
    "T1071.002": "File Transfer Protocols",
    "T1071.003": "Mail Protocols",
    "T1071.004": "DNS",
    "T1074": "Data Staged",
    "T1074.002": "Remote Data Staging",
    "T1078": "Valid Accounts",
    "T1090": "Proxy",
    "T1095": "Non-Application Layer Protocol",
    "T1105": "Ingress Tool Transfer",
    "T1110": "Brute Force",
    "T1110.001": "Password Guessing",
    "T1110.002": "Password Cracking",
    "T1110.003": "Password Spraying",
    "T1110.004": "Credential Stuffing",
    "T1114": "Email Collection",
    "T1114.001": "Local Email Collection",
    "T1114.002": "Remote Email Collection",
    "T1114.003": "Email Forwarding Rule",
    "T1119": "Automated Collection",
    "T1133": "External Remote Services",
    "T1190": "Exploit Public-Facing Application",
    "T1213": "Data from Information Repositories",
    "T1498": "Network Denial of Service",
    "T1530": "Data from Cloud Storage",
    "T1537": "Transfer Data to Cloud Account",
    "T1567": "Exfiltration Over Web Service",
    "T1567.002": "Exfiltration to Cloud Storage",
    "T1571": "Non-Standard Port",
    "T1572": "Protocol Tunneling",
}
"""Names of the techniques that rules about volumes of traffic may name, by their ids."""


def tactic_name(short: str) -> str:
    """The name of a tactic as ATT&CK writes it."""
    return short.replace("-", " ").title().replace(" And ", " and ")


def technique_names(ids: list[str]) -> list[str] | None:
    """The names of techniques, side by side with their ids; None where one is not known."""
    return [TECHNIQUES[i] for i in ids] if TECHNIQUES.keys() >= set(ids) else None


def page(technique: str) -> str:
    """Where ATT&CK describes a technique."""
    return f"{URL}/techniques/{technique.replace('.', '/')}/"
