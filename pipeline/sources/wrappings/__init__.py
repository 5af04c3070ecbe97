"""What logs come wrapped in: archives, documents, carriers and the JSON or CSV of whoever shipped them."""
