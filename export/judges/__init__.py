"""Networks that judge results and take no part in any training, and so cannot have been learned by heart.

pictures --Lite2, VGG16--> feature maps, embeddings        captions --MiniLM--> embeddings
"""
